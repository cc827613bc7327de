"""Published runs from the command line."""

import json
import re

import pytest

from mvkit import train
from mvkit.cli import call
from mvkit.train import RunSpec, fit, open_manifest, open_source
from mvkit.train.recipes import recipe, recipes


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_recipes_are_listed_with_the_rate_they_use(capsys):
    assert call(["train", "--recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(recipes())
    assert "effective lr 0.0024" in next(line for line in lines if line.startswith("amd_base_from_large_k400"))
    assert call(["train", "--recipes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["effective_lr"] == pytest.approx(6e-4)


def test_print_shows_the_table_without_a_teacher_and_writes_nothing(empty_folder, capsys):
    assert call(["train", "--recipe", "mvd_base_from_large_k400", "--print"]) == 0
    said = capsys.readouterr().out
    assert "EFFECTIVE RATE   0.0006, down to 0.0004" in said and "MAE ViT-L, ImageNet-1K" in said
    assert call(["train", "--recipe", "mvd_base_from_large_k400", "--print", "--clips", "2048"]) == 0
    assert "802: 2 an epoch of 2048 clips" in capsys.readouterr().out
    assert not list(empty_folder.iterdir())


def test_print_with_json_is_the_spec_that_train_reads(empty_folder, capsys):
    asked = ["--recipe", "amd_small_from_large_k400", "--teacher", "video_teacher=file:a=b.pth", "--manifest", "k.csv"]
    assert call(["train", *asked, "--print", "--json"]) == 0
    (empty_folder / "spec.json").write_text(capsys.readouterr().out)
    wanted = recipe("amd_small_from_large_k400", video_teacher="file:a=b.pth", manifest="k.csv")
    assert RunSpec.read("spec.json") == wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "train wants a SPEC file or --recipe NAME, one of them"),
        (["spec.json", "--recipe", "videomae_small_k400"], "a SPEC file or --recipe NAME, one of them"),
        (["spec.json", "--manifest", "a.csv"], "--print belong to --recipe"),
        (["spec.json"], "train wants --out DIR"),
        (["--recipe", "videomae_tiny_k400", "--print"], "unknown recipe 'videomae_tiny_k400'; did you mean"),
        (["--recipe", "videomae_small_k400", "--manifest", "a.csv"], "train wants --out DIR"),
        (["--recipe", "videomae_small_k400", "--out", "r"], "trains on kinetics400: give your list"),
        (["--recipe", "videomae_small_k400", "--manifest", "a.csv", "--out", "r"], "a.csv: no such manifest"),
        (["--recipe", "mvd_small_from_base_k400", "--out", "r"], "needs image_teacher and video_teacher; in the paper"),
        (["--recipe", "umt_base_from_base_k400", "--teacher", "clip", "--out", "r"], "role=source.*got 'clip'"),
        (
            ["--recipe", "umt_base_from_base_k400", "--teacher", "a=b", "--teacher", "a=c", "--out", "r"],
            "names a role twice: a, a",
        ),
    ],
)
def test_what_cannot_be_run_is_one_line_and_no_folder(empty_folder, capsys, arguments, message):
    (empty_folder / "spec.json").write_text("{}")
    assert call(["train", *arguments]) == 2
    err = capsys.readouterr().err
    assert re.search(message, err.splitlines()[-1])
    assert not (empty_folder / "r").exists()


def test_a_recipe_trains_on_the_list_given(empty_folder, monkeypatch, capsys):
    """Small clips and one step in place of the published ones; the rest is the recipe's."""
    made = open_manifest(RunSpec(data={"clips": 6, "val": 1, "frames": 40}, image=32, frames=4), root="made")
    (empty_folder / "list.csv").write_text("".join(f"{sample.path} 0 -1\n" for sample in made))
    small = {"image": 32, "batch": 2, "accumulate": 2, "steps": 1, "warmup": 0, "workers": 0, "device": "cpu"}

    def briefly(spec, *given, **named):
        options = {**spec.options, "size": "tiny", "patch": 8, "decoder_depth": 1}
        return fit(spec.model_copy(update={**small, "options": options}), *given, **named)

    # The command opens the batches before it trains, so both see the small spec.
    monkeypatch.setattr(train, "fit", briefly)
    monkeypatch.setattr(train, "open_source", lambda spec, m: open_source(spec.model_copy(update=small), m))
    assert call(["train", "--recipe", "videomae_small_k400", "--manifest", "list.csv", "--out", "run"]) == 0
    err = capsys.readouterr().err
    assert "EFFECTIVE RATE   0.0006" in err
    assert "6 clips in the list, 240436 in the schedule: --clips 6 counts these" in err
    assert RunSpec.read("run/spec.json").augment == "pretrain"


def test_fields_and_options_are_set_from_the_command_line(capsys):
    asked = ["--recipe", "umt_vl_base_webvid", "--clips", "4096", "--teacher", "clip_teacher=file:clip.pt"]
    sets = ["start=file:stage1.pth", "start=file:bert.bin", "options.vocabulary=vocab.txt", "lr=1e-4", "steps=7"]
    said = [part for one in sets for part in ("--set", one)]
    assert call(["train", *asked, *said, "--print", "--json"]) == 0
    spec = RunSpec(**json.loads(capsys.readouterr().out))
    assert spec.start == ["file:stage1.pth", "file:bert.bin"] and spec.options["vocabulary"] == "vocab.txt"
    assert (spec.lr, spec.steps, spec.options["text_size"]) == (1e-4, 7, "base")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("lr", "--set wants field=value"),
        ("lrr=1", "unknown option 'lrr'; did you mean 'lr'?"),
        ("steps=many", "steps: Input should be a valid integer, got 'many'"),
        ("data.manifest=a.csv", "only options has names inside, got 'data.manifest'"),
    ],
)
def test_a_field_that_cannot_be_set_is_one_line(capsys, said, message):
    assert call(["train", "--recipe", "videomae_small_k400", "--set", said, "--print", "--json"]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_one_value_is_said_once(capsys):
    twice = ["--set", "lr=1e-4", "--set", "lr=2e-4"]
    assert call(["train", "--recipe", "videomae_small_k400", *twice, "--print", "--json"]) == 2
    assert "lr takes one value, got 2" in capsys.readouterr().err


def test_the_published_table_does_not_hide_what_was_set(capsys):
    assert call(["train", "--recipe", "videomae_small_k400", "--set", "lr=1", "--print"]) == 2
    assert "--set is shown by --print --json" in capsys.readouterr().err
