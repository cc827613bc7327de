import doctest
import importlib

import pytest
import torch

from mvkit import methods
from mvkit.data import augment
from mvkit.data.sampling import TRAIN
from mvkit.errors import OptionError
from mvkit.models import sizes
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid
from mvkit.train import RunSpec
from mvkit.train.recipes import published, recipe, recipes

# Written from the scripts: clips loaded a step, the rate they gave and its end, steps of an epoch of the card, passes.
PUBLISHED = {
    "videomae_small_k400": (1024, 6e-4, 4e-5, 234, 1601),
    "videomae_base_k400": (2048, 1.2e-3, 8e-5, 117, 1601),
    "videomae_base_k400_800": (2048, 1.2e-3, 8e-5, 117, 801),
    "videomae_large_k400": (512, 3e-4, 2e-5, 469, 1601),
    "videomae_huge_k400": (1024, 6e-4, 4e-5, 234, 1601),
    "videomae_small_ssv2": (2048, 1.2e-3, 8e-5, 82, 2401),
    "videomae_base_ssv2": (2048, 1.2e-3, 8e-5, 82, 2401),
    "videomae_base_ssv2_800": (2048, 1.2e-3, 8e-5, 82, 801),
    "videomae_base_ucf101": (192, 2.25e-4, 7.5e-6, 49, 3201),
    "mvd_small_from_base_k400": (1024, 6e-4, 4e-4, 234, 401),
    "mvd_small_from_large_k400": (1024, 6e-4, 4e-4, 234, 401),
    "mvd_base_from_base_k400": (1024, 6e-4, 4e-4, 234, 401),
    "mvd_base_from_large_k400": (1024, 6e-4, 4e-4, 234, 401),
    "mvd_large_from_large_k400": (512, 3e-4, 2e-5, 469, 801),
    "mvd_large_from_large_k400_400": (512, 3e-4, 2e-4, 469, 401),
    "mvd_huge_from_huge_k400": (512, 3e-4, 2e-5, 469, 801),
    "amd_small_from_large_k400": (512, 2.4e-3, 2e-5, 469, 200),
    "amd_base_from_large_k400": (512, 2.4e-3, 2e-5, 469, 200),
    "amd_small_from_large_ssv2": (512, 2.4e-3, 2e-5, 329, 200),
    "amd_base_from_large_ssv2": (512, 2.4e-3, 2e-5, 329, 200),
    "maskagain_small_from_base_k400": (512, 3e-4, 2e-5, 469, 400),
    "maskagain_base_from_base_k400": (512, 3e-4, 2e-5, 469, 400),
    "maskagain_small_from_base_ucf101": (256, 3e-4, 1e-5, 37, 400),
    "maskagain_base_from_base_ucf101": (256, 3e-4, 1e-5, 37, 400),
    "umt_base_from_base_k710": (2048, 1.2e-3, 8e-5, 321, 201),
    "umt_large_from_large_k710": (2048, 1.2e-3, 8e-5, 321, 201),
    "umt_base_from_base_k400": (2048, 1.2e-3, 8e-5, 117, 801),
}
# Of video and text: clips loaded a step, steps of an epoch of 5 million pairs.
WITH_TEXT = {"umt_vl_base_from_base_webvid": (2048, 2441), "umt_vl_large_from_large_webvid": (4096, 1220)}
each = pytest.mark.parametrize("name", PUBLISHED)


def spec_of(name: str, **more) -> RunSpec:
    return recipe(name, **{role: f"file:{role}.pth" for role in published(name).teachers}, **more)


def test_the_table_above_has_every_recipe():
    assert set(recipes()) == {*PUBLISHED, *WITH_TEXT}


@each
def test_batch_rate_and_steps_are_those_of_the_scripts(name):
    batch, lr, min_lr, steps, passes = PUBLISHED[name]
    spec = spec_of(name)
    assert spec.batch == batch
    assert spec.effective_lr == pytest.approx(lr, rel=1e-12)
    assert spec.effective_min_lr == pytest.approx(min_lr, rel=1e-12)
    assert spec.steps == steps * passes
    assert spec.warmup == steps * (10 if name.startswith("amd") else 40)
    assert (spec.weight_decay, spec.beta2) == (0.05, 0.95)
    assert spec.clip_grad == (0.02 if name.startswith("amd") else None)
    assert spec.sampling in TRAIN and spec.augment in augment.RECIPES


def test_clips_are_cut_as_each_paper_cut_them():
    cut = {name: (s.frames, s.stride, s.sampling, s.flip, s.repeats) for name in PUBLISHED for s in [spec_of(name)]}
    assert cut["videomae_base_k400"] == cut["mvd_small_from_base_k400"] == (16, 4, "dense", None, 1)
    assert cut["videomae_base_ssv2"] == (16, 2, "dense", None, 1)
    assert cut["amd_small_from_large_k400"] == (16, 4, "dense", None, 4)
    assert cut["amd_base_from_large_ssv2"] == (16, 2, "window", None, 4)
    assert cut["maskagain_base_from_base_ucf101"] == (16, 4, "dense", None, 1)
    assert cut["umt_large_from_large_k710"] == (8, 1, "segments", 0.5, 1)


@each
def test_a_step_goes_through_the_clips_in_parts_of_one_gpu(name):
    spec = spec_of(name)
    parts = torch.arange(spec.batch * spec.repeats).chunk(spec.accumulate)
    assert len(parts) == spec.accumulate and {len(part) for part in parts} == {published(name).part * spec.repeats}
    if name.startswith("maskagain"):
        assert spec.batch // spec.accumulate == 64  # the relation loss compares the clips of a part


@pytest.fixture
def narrow(monkeypatch):
    """Sizes with the papers' depths and hardly any width, so that every recipe can be built as it is."""
    shapes = {"small": (32, 12), "base": (48, 12), "large": (64, 24), "huge": (80, 32)}
    for size, (width, depth) in shapes.items():
        monkeypatch.setitem(sizes.SIZES, size, sizes.Size(width, depth, 2, 16, 1, 2))

    def teacher(role: str, size: str) -> Teacher:
        grid = TokenGrid(8, 14, 14) if role == "video_teacher" else TokenGrid(1, 14, 14)
        return Teacher(
            VideoViT(
                grid,
                tubelet=2 if role == "video_teacher" else 1,
                patch=16,
                width=sizes.size(size).width,
                depth=sizes.size(size).depth,
                heads=2,
                class_token=role != "video_teacher",
            )
        )

    return teacher


@each
def test_every_recipe_builds_its_method(narrow, name):
    spec, known = spec_of(name), published(name)
    given = {role: narrow(role, known.teacher_size) for role in known.teachers}
    method = methods.create(spec.method, **{**spec.method_options(), **given})
    assert method.encoder.depth == sizes.size(known.size).depth
    assert method.encoder.grid.shape == (8, 14, 14)
    assert RunSpec(**spec.model_dump()) == spec


@pytest.mark.parametrize("name", WITH_TEXT)
def test_the_rate_of_stage_2_is_the_published_one_at_its_batch(name):
    batch, steps = WITH_TEXT[name]
    spec = spec_of(name, clips=5_000_000)
    assert (spec.batch, spec.steps, spec.warmup) == (batch, 10 * steps, steps)
    assert spec.effective_lr == pytest.approx(1e-4, rel=1e-12) and spec.effective_min_lr == pytest.approx(1e-6)
    assert (spec.weight_decay, spec.beta2, spec.frames) == (0.02, 0.999, 4)
    assert (spec.augment, spec.sampling, spec.flip) == ("random_resized", "intervals", 0.5)
    with pytest.raises(OptionError, match="does not know its training clips: give clips="):
        spec_of(name)


def test_stage_2_builds_its_method(narrow):
    pytest.importorskip("transformers", reason="text models need the extra `text`")
    spec = spec_of("umt_vl_base_from_base_webvid", clips=4096)
    options = {**spec.method_options(), "text_size": "tiny", "clip_teacher": narrow("clip_teacher", "base")}
    method = methods.create("umt_vl", **options)
    assert method.encoder.grid.shape == (4, 14, 14) and len(method.student_layers) == 6


def test_decoders_have_the_depths_and_widths_of_the_scripts():
    depths = {name: spec_of(name).options.get("decoder_depth") for name in PUBLISHED}
    assert depths["videomae_base_k400"] == depths["amd_base_from_large_k400"] == 4
    assert depths["videomae_large_k400"] == depths["videomae_huge_k400"] == 12
    keys = ("feat_decoder_embed_dim", "feat_decoder_num_heads", "decoder_depth")
    shapes = {name: tuple(spec_of(name).options[k] for k in keys) for name in PUBLISHED if name.startswith("mvd")}
    assert shapes["mvd_small_from_large_k400"] == (384, 6, 2) and shapes["mvd_base_from_large_k400"] == (768, 12, 2)
    assert shapes["mvd_large_from_large_k400"] == (512, 8, 4) and shapes["mvd_huge_from_huge_k400"] == (640, 8, 8)


def test_the_factors_of_maskagain_look_swapped_between_scripts_and_stay_so():
    factors = {
        name: tuple(spec_of(name).options[key] for key in ("gamma", "beta_kd1", "beta_kd2", "ratio", "drop_path"))
        for name in PUBLISHED
        if name.startswith("maskagain")
    }
    assert factors["maskagain_base_from_base_k400"] == (0.2, 3.0, 1.0, 0.9, 0.1)
    assert factors["maskagain_small_from_base_k400"] == (0.1, 0.1, 3.0, 0.9, 0.1)
    assert factors["maskagain_base_from_base_ucf101"] == (0.1, 3.0, 1.0, 0.75, 0.0)
    assert factors["maskagain_small_from_base_ucf101"] == (0.1, 1.0, 3.0, 0.75, 0.1)


def test_a_missing_teacher_is_refused_with_the_checkpoint_of_the_paper():
    with pytest.raises(OptionError, match=r"needs image_teacher and video_teacher; in the paper.*MAE ViT-B") as raised:
        recipe("mvd_small_from_base_k400")
    assert "VideoMAE ViT-B, Kinetics-400, 1600 epochs" in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(
        OptionError, match=r"needs video_teacher; .*VideoMAE ViT-L, Something-Something V2, 2400 epochs"
    ):
        recipe("amd_base_from_large_ssv2")
    with pytest.raises(OptionError, match=r"needs clip_teacher; .*image=196"):
        recipe("umt_large_from_large_k710")


def test_a_teacher_that_nobody_asked_for_is_refused():
    with pytest.raises(OptionError, match="recipe 'videomae_base_k400': unknown teacher 'video_teacher' known: none"):
        recipe("videomae_base_k400", video_teacher="file:a.pth")


def test_an_unknown_recipe_is_refused_with_the_known_ones():
    with pytest.raises(
        OptionError, match="unknown recipe 'videomae_smal_k400'; did you mean 'videomae_small_k400'"
    ) as it:
        recipe("videomae_smal_k400")
    assert all(name in str(it.value) for name in PUBLISHED)


def test_the_size_of_the_teacher_may_be_left_out_where_there_was_one():
    assert published("amd_small_k400").name == "amd_small_from_large_k400"
    assert published("mvd_large_k400").name == "mvd_large_from_large_k400"
    with pytest.raises(OptionError, match="several teachers: mvd_small_from_base_k400, mvd_small_from_large_k400"):
        published("mvd_small_k400")


def test_another_list_changes_the_steps_and_nothing_else():
    whole, part = spec_of("amd_small_from_large_k400"), spec_of("amd_small_from_large_k400", clips=512 * 3 + 511)
    assert (part.steps, part.warmup, part.checkpoint_every) == (3 * 200, 3 * 10, 3)
    same = {"steps": whole.steps, "warmup": whole.warmup, "checkpoint_every": whole.checkpoint_every}
    assert part.model_copy(update=same) == whole
    with pytest.raises(OptionError, match="511 clips do not fill one batch of 512"):
        spec_of("amd_small_from_large_k400", clips=511)


def test_the_list_and_its_root_go_into_the_spec():
    assert spec_of("videomae_small_k400").data == {}
    assert spec_of("videomae_small_k400", manifest="a.csv", root="v").data == {"manifest": "a.csv", "root": "v"}


def test_printing_a_recipe_shows_the_rate_that_is_used():
    module = importlib.import_module("mvkit.train.recipes")
    assert doctest.testmod(module).failed == 0
    said = str(published("amd_small_from_large_k400"))
    assert "EFFECTIVE RATE   0.0024, down to 2e-05" in said and "4 copies of each, not counted in the rate" in said
    for name, (_, lr, *_) in PUBLISHED.items():
        assert f"EFFECTIVE RATE   {lr:g}, " in str(published(name))
