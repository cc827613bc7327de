import numpy as np
import pytest
import torch
from timm.data.mixup import Mixup

from mvkit.errors import OptionError, ShapeError
from mvkit.eval.mixup import ClipMixup

SHAPE = (4, 3, 5, 10, 14)  # T is shorter than H, as in the papers, so that the defect of compat="mvd" shows


def batch():
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)), torch.tensor([2, 0, 5, 1])


def draws(seed: int):
    """What timm draws from this seed: is it cutmix, the share, and what the centre of the box comes from."""
    random = np.random.RandomState(np.random.default_rng(seed).integers(2**32, size=4, dtype=np.uint32))
    random.rand()
    cut = random.rand() < 0.5
    share = random.beta(1.0, 1.0) if cut else random.beta(0.8, 0.8)
    return cut, share, random


def box(share: float, random) -> tuple[int, int, int, int]:
    height, width = SHAPE[-2:]
    tall, wide = int(height * (1 - share) ** 0.5), int(width * (1 - share) ** 0.5)
    y, x = random.randint(0, height), random.randint(0, width)
    return (
        max(y - tall // 2, 0), min(y + (tall + 1) // 2, height), max(x - wide // 2, 0), min(x + (wide + 1) // 2, width)
    )  # fmt: skip


def by_hand(seed: int, compat: str = ""):
    """Mixed clips and soft labels of `batch`, pixel by pixel."""
    (clips, labels), (cut, share, random) = batch(), draws(seed)
    mixed = clips.clone()
    if not cut:
        for i in range(4):
            mixed[i] = clips[i] * share + clips[3 - i] * (1 - share)
    else:
        top, bottom, left, right = box(share, random)
        for i, t, y, x in np.ndindex(4, *SHAPE[2:]):
            first, second = (t, y) if compat == "mvd" else (y, x)
            if top <= first < bottom and left <= second < right:
                mixed[i, :, t, y, x] = clips[3 - i, :, t, y, x]
        share = 1 - (bottom - top) * (right - left) / (SHAPE[-2] * SHAPE[-1])
    soft = torch.full((4, 6), 0.1 / 6)
    for i in range(4):
        soft[i, labels[i]] = 1 - 0.1 + 0.1 / 6
    return mixed, share * soft + (1 - share) * soft.flip(0), cut


@pytest.mark.parametrize("compat", ["", "mvd"])
def test_clips_and_labels_are_mixed_as_the_loop_written_by_hand(compat):
    kinds = set()
    for seed in range(12):
        mixed, soft = ClipMixup(6, compat=compat)(*batch(), np.random.default_rng(seed))
        expected, expected_soft, cut = by_hand(seed, compat)
        assert torch.allclose(mixed, expected, atol=1e-6) and torch.allclose(soft, expected_soft, atol=1e-6), seed
        kinds.add(cut)
    assert kinds == {True, False}


def test_every_frame_is_mixed_as_timm_mixes_one_image():
    clips, labels = batch()
    for seed in range(6):
        mixed, soft = ClipMixup(6)(clips, labels, np.random.default_rng(seed))
        for t in range(SHAPE[2]):
            np.random.seed(np.random.default_rng(seed).integers(2**32, size=4, dtype=np.uint32))  # noqa: NPY002
            image, target = Mixup(0.8, 1.0, num_classes=6)(clips[:, :, t].clone(), labels)
            assert torch.equal(mixed[:, :, t], image) and torch.equal(soft, target)


def test_the_share_of_cutmix_is_that_of_the_pixels_left_but_with_mvd_s_defect_it_is_not():
    clips = torch.zeros(SHAPE)
    clips[2:] = 1.0  # the partners of the first two
    labels = torch.tensor([0, 0, 1, 1])
    right, wrong = ClipMixup(6, mixup=0, smoothing=0), ClipMixup(6, mixup=0, smoothing=0, compat="mvd")
    far = 0
    for seed in range(8):
        mixed, soft = right(clips, labels, np.random.default_rng(seed))
        assert float(soft[0, 1]) == pytest.approx(float(mixed[0].mean()), abs=1e-6)
        mixed, same = wrong(clips, labels, np.random.default_rng(seed))
        assert torch.equal(soft, same)
        far += abs(float(same[0, 1]) - float(mixed[0].mean())) > 0.05
    assert far >= 6


def test_soft_labels_are_smoothed_and_sum_to_one():
    for smoothing in (0.0, 0.1):
        clips, labels = batch()
        _, soft = ClipMixup(6, cutmix=0, mixup=1e-9, smoothing=smoothing)(clips, labels, np.random.default_rng(0))
        assert torch.allclose(soft.sum(1), torch.ones(4))
        # Beta(1e-9) is 0 or 1: each clip keeps a label whole.
        assert sorted(set(soft[0].tolist())) == pytest.approx(sorted({smoothing / 6, 1 - smoothing + smoothing / 6}))


def test_the_same_generator_gives_the_same_batch_and_nothing_global_is_touched():
    clips, labels = batch()
    kept = clips.clone()
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    first = ClipMixup(6)(clips, labels, np.random.default_rng(3))
    assert np.random.rand() == expected  # noqa: NPY002
    again = ClipMixup(6)(clips, labels, np.random.default_rng(3))
    other = ClipMixup(6)(clips, labels, np.random.default_rng(4))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])
    assert torch.equal(clips, kept)


def test_clips_of_any_memory_layout_are_mixed_alike():
    clips, labels = batch()
    strided = clips.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3)
    assert torch.equal(strided, clips) and not strided.is_contiguous()
    one, other = (ClipMixup(6)(x, labels, np.random.default_rng(2))[0] for x in (clips, strided))
    assert torch.equal(one, other)


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(ShapeError, match="an even B"):
        ClipMixup(6)(torch.zeros(3, 3, 2, 4, 6), torch.zeros(3, dtype=torch.long), np.random.default_rng(0))
    with pytest.raises(OptionError, match="unknown compat 'amd'; did you mean 'mvd'"):
        ClipMixup(6, compat="amd")
    with pytest.raises(OptionError, match="not both 0"):
        ClipMixup(6, mixup=0, cutmix=0)
