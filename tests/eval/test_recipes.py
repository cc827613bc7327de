import doctest
import importlib

import pytest

from mvkit.data.sampling import TRAIN
from mvkit.errors import OptionError
from mvkit.eval import FinetuneSpec, recipe
from mvkit.eval.multiview import RULES
from mvkit.eval.recipes import RECIPES, table


@pytest.mark.parametrize(
    ("name", "lr", "min_lr"),
    [
        ("videomae_base_k400", 5e-4 * 6 * 64 / 256, 1e-6 * 6 * 64 / 256),
        ("videomae_large_k400", 2e-3 * 2 * 64 / 256, 1e-6 * 2 * 64 / 256),
        ("videomae_huge_k400", 1e-3 * 8 * 64 / 256, 1e-5 * 8 * 64 / 256),
        ("mvd_small_ssv2", 1e-3 * 12 * 32 / 256, 1e-6 * 12 * 32 / 256),
        ("mvd_huge_k400", 1e-3 * 8 * 32 / 256, 1e-6 * 8 * 32 / 256),
        ("amd_base_k400", 1.4e-3, 1e-6 * 512 / 256),
        ("amd_small_ssv2", 1e-3, 1e-6),
        ("maskagain_small_ucf101", 5e-4 * 4 * 32 / 256, 1e-5 * 4 * 32 / 256),
        ("umt_base_k710", 2e-4 * 16 * 16 * 2 / 256, 1e-6 * 16 * 16 * 2 / 256),  # UMT counts the copies
        ("umt_base_mit", 1e-4 * 32 * 16 / 256, 1e-6 * 32 * 16 / 256),
    ],
)
def test_the_rate_that_is_used_is_that_of_the_scripts(name, lr, min_lr):
    spec = recipe(name)
    assert spec.effective_lr == pytest.approx(lr) and spec.effective_min_lr == pytest.approx(min_lr)


def test_every_recipe_can_be_used_and_is_in_the_table():
    rows = {row["recipe"]: row for row in table()}
    assert set(rows) == set(RECIPES)
    for name in RECIPES:
        spec = recipe(name)
        assert spec.sampling in TRAIN and spec.test_rule in RULES and spec.views.crops == 3
        assert rows[name]["effective_lr"] == spec.effective_lr
        assert (spec.flip == 0) == name.split("_")[2].startswith("ssv2"), name
        assert spec.effective_warmup_lr == (spec.effective_min_lr if name.startswith("umt") else 0)
        assert (spec.mixup, spec.cutmix, spec.smoothing, spec.weight_decay, spec.compat) == (0.8, 1.0, 0.1, 0.05, "")


def test_data_sets_and_papers_have_their_own_frames_and_views():
    views = {name: (v.rule, v.frames, v.clips) for name in RECIPES for v in [recipe(name).views]}
    assert views["videomae_base_k400"] == views["amd_small_k400"] == views["mvd_base_k400"] == ("strided", 16, 5)
    assert views["videomae_small_ssv2"] == views["amd_base_ssv2"] == ("interleaved", 16, 2)
    assert views["mvd_small_ssv2"] == ("centre", 16, 2)
    assert views["umt_base_k400"] == ("sparse", 8, 4) and views["umt_large_ssv2"] == ("interleaved", 8, 2)
    assert views["maskagain_small_hmdb51"] == ("strided", 16, 10) and recipe("maskagain_small_hmdb51").views.stride == 2
    assert recipe("mvd_small_ssv2").sampling == "segments_rounded" and recipe("amd_small_ssv2").sampling == "segments"
    assert recipe("umt_base_k710").sampling == "segments_rounded" and recipe("umt_base_ssv2").sampling == "segments"


def test_a_recipe_prints_the_rate_it_uses():
    assert doctest.testmod(importlib.import_module("mvkit.eval.recipes"), globs={"recipe": recipe}).failed == 0
    assert "= 0.0004 for 256 x 2 clips" in str(recipe("umt_base_k710"))


def test_a_changed_recipe_is_checked_again_and_the_old_one_stays():
    spec = recipe("videomae_base_ucf101")
    assert spec.but(epochs=7).epochs == 7 and spec.epochs == 100
    assert FinetuneSpec(**spec.model_dump()) == spec
    with pytest.raises(OptionError, match="warmup_epochs of 5 is longer than the run of 3"):
        spec.but(epochs=3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "unknown option 'epoch'; did you mean 'epochs'"),
        ({"batch": 0}, "FinetuneSpec: batch: .*greater than or equal to 1, got 0"),
        ({"batch": 3, "repeats": 1}, "pair the clips of a batch: 3 x 1 is odd"),
        ({"lr": "fast"}, "FinetuneSpec: lr: "),
        ({"compat": "amd"}, "FinetuneSpec: compat: "),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(values, message):
    with pytest.raises(OptionError, match=message) as raised:
        FinetuneSpec(**values)
    assert "\n" not in str(raised.value)


def test_an_unknown_recipe_is_refused_with_the_nearest_one():
    with pytest.raises(OptionError, match="unknown fine-tuning recipe 'mvd_smal_ssv2'; did you mean 'mvd_small_ssv2'"):
        recipe("mvd_smal_ssv2")
