import pytest
import timm
import torch

from mvkit import checkpoints, methods
from mvkit.data import read_manifest
from mvkit.errors import OptionError
from mvkit.eval.metrics import Accuracy
from mvkit.eval.outcome import Outcome, Row, exact
from mvkit.inspect.evaluated import TASKS, Asked, Evaluated, _busier, embedded, evaluate, open_subject
from mvkit.train import RunSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory, made):
    """An untrained run of VideoMAE, which has no words."""
    where, said = tmp_path_factory.mktemp("run"), {"size": "tiny", "patch": 8, "frames": 4, "image": 32}
    torch.manual_seed(0)
    checkpoints.save(where, methods.create("videomae", **said), name="videomae", options=said)
    spec = RunSpec(method="videomae", data={"manifest": str(made.source)}, frames=4, stride=3, image=32, steps=1)
    spec.write(where / "spec.json")
    return where


def test_classes_stand_beside_their_controls_and_the_examples_are_of_the_label_that_was_asked_for(folder, made):
    found = evaluate("classify", open_subject(f"run:{folder}"), Asked(labels=["motion"], device="cpu", tested=4))
    assert set(found.bands) == {"probe, motion"} == set(found.chance)
    assert set(found.bands["probe, motion"]) == {"clip", "one frame", "untrained, clip"}
    assert found.outcome.spec["clips"] == 4 and found.headline["chance"] == 0.25
    assert all(rule.startswith("motion: ") for rule in found.examples)
    assert {row["encoder"] for row in found.records()} == {"trained", "one frame", "untrained, clip", "chance"}


def test_few_labels_make_a_curve_that_ends_with_all_of_them(folder):
    found = evaluate("few_shot", open_subject(str(folder)), Asked(labels=["motion"], few=[1, 0], device="cpu"))
    curve = found.by_labels()["probe, motion"]["clip"]
    assert [point[0] for point in curve] == [1, 2]  # 8 clips, 4 motions
    assert curve[1][1] == found.bands["probe, motion, all"]["clip"].value


def test_transfer_asks_the_other_set_and_the_own_one(folder, made):
    asked = Asked(labels=["appearance"], manifest=str(made.source), device="cpu")
    found = evaluate("transfer", open_subject(str(folder)), asked)
    assert list(found.bands) == ["other set, probe, appearance", "own set, probe, appearance"]
    assert found.bands["other set, probe, appearance"] == found.bands["own set, probe, appearance"]  # one and the same


def test_an_image_model_of_timm_sees_every_frame_and_is_not_fine_tuned(made, monkeypatch):
    network = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1, num_classes=0)
    monkeypatch.setattr("mvkit.checkpoints.open_teacher", lambda said: _teacher(network, said))
    subject = open_subject("timm:vit_tiny_patch16_224")
    assert (subject.spec.frames, subject.spec.image) == (8, 32)
    asked = Asked(manifest=str(made.source), labels=["motion"], device="cpu")
    assert set(evaluate("classify", subject, asked).bands["probe, motion"]) == {"clip", "one frame", "untrained, clip"}
    with pytest.raises(OptionError, match="cannot be fine-tuned"):
        evaluate("detection", subject, asked)


def _teacher(network, said):
    from mvkit.models.teachers import Teacher
    from mvkit.models.timm_encoder import TimmEncoder

    return Teacher(TimmEncoder(network), source=said)


def test_tasks_with_words_want_a_run_that_has_them(folder):
    with pytest.raises(OptionError, match="umt_vl"):
        evaluate("qa", open_subject(str(folder)), Asked(device="cpu"))
    with pytest.raises(OptionError, match="unknown task 'sing'"):
        evaluate("sing", open_subject(str(folder)), Asked())
    assert "detection" in TASKS


def test_the_embedded_run_of_a_task_is_videomae_or_with_words_the_second_stage():
    assert embedded("few_shot", lambda kind: f"run:{kind}") == "run:videomae"
    assert embedded("qa", lambda kind: f"run:{kind}") == "run:umt_vl"


def test_without_another_set_transfer_makes_a_busier_one_of_the_same_classes(monkeypatch, tmp_path):
    monkeypatch.setattr("mvkit.inspect.evaluated.DATA", tmp_path)
    manifest = read_manifest(_busier(RunSpec(data={"clips": 16, "val": 8, "seed": 3})))
    assert set(manifest.label_names) == {"appearance", "motion"} and len(manifest.split("val")) == 8
    assert '"distractors": 2' in next(tmp_path.rglob("spec.json")).read_text()


def test_the_headline_is_the_first_band_and_its_margin_is_over_the_best_control():
    score = {"clip": Accuracy(0.5, 0.4, 0.6, 9), "one frame": Accuracy(0.3, 0.2, 0.4, 9)}
    outcome = Outcome("qa", (Row({"shown": "chance", "kind": "all"}, {"accuracy": exact(0.25)}),))
    found = Evaluated(outcome, "accuracy", {"all": score, "motion": {}}, {"all": 0.25}, {})
    assert found.headline == pytest.approx(
        {"task": "qa", "of": "accuracy, all", "clip": 0.5, "one frame": 0.3, "chance": 0.25, "margin": 0.2}
    )


def test_an_official_file_sees_clips_of_its_own_size(folder, tmp_path, made):
    encoder = checkpoints.load_encoder(folder)[0]
    path = checkpoints.export(encoder, tmp_path / "a.pth", kind="videomae")
    subject = open_subject(f"file:{path}?kind=videomae&frames=4&image=32&heads={encoder.heads}")
    assert (subject.spec.frames, subject.spec.image) == (4, 32)
    asked = Asked(manifest=str(made.source), labels=["motion"], epochs=1, known=8, tested=4, device="cpu")
    assert set(evaluate("classify", subject, asked).bands) == {"probe, motion"}
    assert evaluate("detection", subject, asked).headline["task"] == "detection"
