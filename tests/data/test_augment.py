"""Crops and recipes: against PIL, against the numbers of the official codes, and for draws that stay together."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mvkit.data import augment, crops
from mvkit.data.randaugment import OPERATIONS, RandAugment
from mvkit.errors import OptionError, ShapeError

PARITY = Path(__file__).parents[2] / ".." / "shared" / "parity"
HEIGHT, WIDTH = 45, 70


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def clip_of(frames: int = 3, height: int = HEIGHT, width: int = WIDTH, still: bool = False) -> torch.Tensor:
    """Smooth colours; a still clip repeats its first frame, so that frames treated differently show."""
    pixels = rng(1).integers(0, 256, (frames, 6, 9, 3), dtype=np.uint8)
    images = [np.asarray(Image.fromarray(p).resize((width, height), Image.Resampling.BICUBIC)) for p in pixels]
    return crops.from_frames(np.stack([images[0]] * frames if still else images))


class PythonDraws:
    """Python's `random.choice` draws, as the official code makes them."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)

    def integers(self, high: int, /) -> int:
        return self.source.randrange(high)


def test_multi_scale_boxes_are_the_official_ones():
    path = PARITY / "umt_aux_public.json"
    if not path.is_file():
        pytest.skip(f"no recorded numbers of the official code: {path.name} is not there")
    recorded = json.loads(path.read_text())["values"]["stage1_multiscale_crop"]
    for sample in recorded["samples"]:
        (width, height), draws = sample["image_wh"], PythonDraws(sample["python_random_seed"])
        for wanted in sample["crops"]:
            box = crops.multi_scale_box(height, width, recorded["input_size"], draws, scales=recorded["scales"])
            assert [box.width, box.height, box.left, box.top] == wanted


@pytest.mark.parametrize(("height", "width"), [(45, 70), (70, 45), (223, 400), (226, 226), (12, 9)])
def test_every_box_lies_inside_the_frame(height, width):
    for seed in range(200):
        for box in (
            crops.multi_scale_box(height, width, 224, rng(seed)),
            crops.random_resized_box(height, width, rng(seed)),
            crops.random_resized_box(height, width, rng(seed), area=(3.0, 4.0)),  # never fits: the central fall-back
        ):
            crops.crop(torch.zeros(1, 3, height, width, dtype=torch.uint8), box)
            assert min(box.height, box.width) >= 1


def test_the_central_fall_back_keeps_the_nearest_allowed_aspect():
    assert crops.random_resized_box(30, 90, rng(), area=(3, 4)) == crops.Box(0, 25, 30, 40)
    assert crops.random_resized_box(90, 30, rng(), area=(3, 4)) == crops.Box(25, 0, 40, 30)


@pytest.mark.parametrize("size", [(20, 31), (90, 133), (45, 33)])
@pytest.mark.parametrize(("mode", "filter"), [("bilinear", "BILINEAR"), ("bicubic", "BICUBIC")])
def test_resizing_equals_pil_within_one_grey_level(size, mode, filter):
    clip = clip_of()
    got = crops.resize(clip, *size, mode=mode).permute(0, 2, 3, 1).numpy().astype(int)
    for frame, pixels in zip(got, clip.permute(0, 2, 3, 1).numpy(), strict=True):
        image = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling[filter])
        assert np.abs(frame - np.asarray(image)).max() <= 1


def test_resizing_a_crop_equals_resizing_its_copy():
    box = crops.Box(5, 11, 30, 41)
    part = crops.crop(clip_of(), box)
    assert not part.is_contiguous()
    assert torch.equal(crops.resize(part, 16, 24), crops.resize(part.contiguous(), 16, 24))


@pytest.mark.parametrize("name", sorted(augment.RECIPES))
def test_every_recipe_treats_all_frames_alike_and_repeats_with_the_seed(name):
    recipe = augment.recipe(name, 32)
    if name == "finetune":
        recipe = augment.Finetune(32, erase=0)  # erasing noise is fresh in every frame
    clip = clip_of(4, 32, 32, still=True) if name == "none" else clip_of(4, still=True)
    before = clip.clone()
    for seed in range(8):
        out = recipe(clip, rng(seed))
        assert out.shape == (4, 3, 32, 32)
        assert out.dtype == torch.uint8
        assert (out == out[:1]).all()
        assert torch.equal(out, recipe(clip, rng(seed)))
    assert torch.equal(clip, before)


@pytest.mark.parametrize("name", ["pretrain", "finetune", "random_resized"])
def test_each_generator_gives_a_clip_its_own_draw(name):
    out = [augment.recipe(name, 24)(clip_of(still=True), child) for child in rng().spawn(6)]
    assert out[0].shape == (3, 3, 24, 24)
    assert len({clip.numpy().tobytes() for clip in out}) == 6


def test_pretraining_never_flips_unless_asked():
    ramp = torch.arange(64, dtype=torch.uint8).expand(2, 3, 64, 64)
    for seed in range(20):
        plain = augment.Pretrain(32)(ramp, rng(seed)).int()
        mirrored = augment.Pretrain(32, flip=1.0)(ramp, rng(seed)).int()
        assert (plain[0, 0, 0].diff() >= 0).all()
        assert torch.equal(mirrored, plain.flip(-1))


def test_erasing_fills_one_box_with_fresh_noise_in_every_frame():
    clip = torch.full((3, 3, 40, 60), 7, dtype=torch.uint8)
    seen = set()
    for seed in range(40):
        out = augment.erased(clip, 1.0, rng(seed))
        changed = (out != 7).any(1)  # (T, H, W)
        places = changed.any(0).nonzero()
        (top, left), (bottom, right) = places.min(0).values.tolist(), places.max(0).values.tolist()
        share = (bottom - top + 1) * (right - left + 1) / 2400
        assert 0.015 < share < 0.35
        assert changed[:, top : bottom + 1, left : right + 1].float().mean() > 0.98
        assert not torch.equal(out[0], out[1])
        seen.add((top, left))
    assert len(seen) > 10
    assert torch.equal(augment.erased(clip, 0.0, rng()), clip)


def test_erasing_noise_has_the_colour_statistics_of_the_models():
    clip = torch.zeros(50, 3, 40, 60, dtype=torch.uint8)
    out = augment.erased(clip, 1.0, rng(3)).float() / 255
    box = out[:, :, (out.amax((0, 1)) > 0).any(1)][..., (out.amax((0, 1)) > 0).any(0)]
    # Cutting at 0 and 1 moves the mean by less than 0.01 and takes about 4 % of the spread.
    assert torch.allclose(box.mean((0, 2, 3)), torch.tensor([0.485, 0.456, 0.406]), atol=0.02)
    assert torch.allclose(box.std((0, 2, 3)), torch.tensor([0.229, 0.224, 0.225]), atol=0.02)


def test_strengths_of_rand_augment_are_those_of_timm():
    from timm.data.auto_augment import LEVEL_TO_ARG

    for name, argument in OPERATIONS.items():
        theirs = LEVEL_TO_ARG[name]
        assert (theirs is None) == (argument is None)
        for level in (0.0, 3.3, 7.0, 9.9, 10.0) if theirs else ():
            wanted = {theirs(level, {})[0] for _ in range(60)}  # both signs
            got = {argument(level / 10, sign) for sign in (1, -1)}
            assert sorted(got) == pytest.approx(sorted(wanted)), name


def test_rand_augment_draws_from_the_generator_alone():
    plans = {str(RandAugment().plan(rng(seed))) for seed in range(30)}
    assert len(plans) > 20
    random.seed(1)
    first = RandAugment(chance=1.0)(clip_of(), rng(5))
    random.seed(2)
    assert torch.equal(first, RandAugment(chance=1.0)(clip_of(), rng(5)))
    assert not torch.equal(first, clip_of())
    applied = [len(RandAugment().plan(rng(seed))) for seed in range(400)]
    assert 1.8 < np.mean(applied) < 2.2  # four operations, each kept half of the time


def test_spatial_views_cover_both_ends_of_the_long_side():
    clip = clip_of(2, 24, 49)
    left, middle, right = augment.spatial_views(clip, 24)
    assert torch.equal(left, clip[..., :24])
    assert torch.equal(middle, clip[..., 12:36])
    assert torch.equal(right, clip[..., 25:])
    top, _, bottom = augment.spatial_views(clip.transpose(-1, -2).contiguous(), 24)
    assert top.shape == bottom.shape == (2, 3, 24, 24)


def test_mistakes_are_named():
    with pytest.raises(OptionError, match="did you mean 'centre'"):
        augment.recipe("center", 24)
    with pytest.raises(ShapeError, match="augment='centre'"):
        augment.Whole(24)(clip_of())
    with pytest.raises(ShapeError, match="reaches out"):
        crops.crop(clip_of(), crops.Box(40, 0, 10, 10))
    with pytest.raises(ShapeError, match="uint8"):
        crops.from_frames(np.zeros((2, 4, 4, 3)))
    with pytest.raises(OptionError, match="magnitude"):
        RandAugment(magnitude=11)
