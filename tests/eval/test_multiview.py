from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from mvkit.data import read_frames
from mvkit.data.sample import Sample
from mvkit.errors import DataError, OptionError
from mvkit.eval import FinetuneSpec, Views, finetune, score_views
from mvkit.models import VideoClassifier
from mvkit.models.classifier import body

SMALL = Views("strided", clips=3, crops=2, frames=4, stride=2, size=32)


@pytest.fixture
def classifier(encoder) -> VideoClassifier:
    made = VideoClassifier(body(encoder), 8).eval()
    nn.init.normal_(made.head.weight)
    return made


@pytest.fixture(scope="module")
def wide(tmp_path_factory) -> tuple[Sample, np.ndarray]:
    """11 frames of 20 x 33 pixels, as PNG files, and as an array."""
    folder = tmp_path_factory.mktemp("wide")
    frames = np.random.default_rng(0).integers(0, 256, (11, 20, 33, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"img_{number:05d}.png")
    return Sample(folder, {"label": 1}, frames=11), frames


def test_views_are_the_frames_and_crops_of_the_released_tests(wide):
    sample, frames = wide
    views = Views("strided", clips=3, crops=3, frames=4, stride=2, size=10).read(sample)
    assert views.shape == (9, 3, 4, 10, 10) and views.dtype == torch.uint8
    taken = [0, 2, 4, 6, 8, 10]  # every second frame; a view starts at 0, 1 and 2 of them
    for number, view in enumerate(views):
        clip, place = divmod(number, 3)
        picked = torch.from_numpy(frames[taken[clip : clip + 4]]).permute(0, 3, 1, 2)
        resized = F.interpolate(picked, (10, 16), mode="bilinear", align_corners=False)  # 10 * 33 // 20
        left = 3 * place  # (16 - 10) / 2 apart
        assert torch.equal(view, resized[..., left : left + 10].transpose(0, 1)), number


@pytest.mark.parametrize(
    ("rule", "clips", "expected"),
    [
        ("interleaved", 2, [[0, 2, 5, 8], [1, 4, 6, 9]]),  # trunc(2.75 i), trunc(1.375 + 2.75 i), dealt out in turn
        ("centre", 2, [[0, 3, 5, 8], [1, 4, 7, 9]]),  # middles of 0 1 2 4 5 6 8 9 10, rounded down
        ("sparse", 1, [[1, 3, 6, 9]]),  # round(2.5 i) + floor(1.25)
    ],
)
def test_every_rule_takes_its_own_frames(wide, rule, clips, expected):
    sample, frames = wide
    views = Views(rule, clips=clips, crops=1, frames=4, size=20).read(sample)
    for view, numbers in zip(views, expected, strict=True):
        middle = torch.from_numpy(frames[numbers][:, :, 6:26]).permute(3, 0, 1, 2)
        assert torch.equal(view, middle)


def test_the_score_is_the_mean_softmax_of_the_views_as_in_the_loop_written_by_hand(classifier, moving):
    done = score_views(classifier, moving, SMALL, label="motion", batch=4, precision="fp32")
    for number, sample in enumerate(moving):
        odds = []
        for first in (0, 2, 4):  # 12 frames, every second taken: 6; views start at 0, 1 and 2 of them
            frames = read_frames(sample.path, [first, first + 2, first + 4, first + 6])
            clip = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 255
            for _ in range(2):  # square frames: both crops are the frame
                with torch.no_grad():
                    odds.append(classifier(clip).double().softmax(1)[0])
        assert torch.allclose(done.probabilities[number], torch.stack(odds).mean(0), atol=1e-6)
    assert done.labels.tolist() == moving.labels("motion").tolist() and done.indices.tolist() == list(range(24))
    right = done.probabilities.argmax(1) == done.labels
    assert done.result.top1.value == pytest.approx(float(right.double().mean()))
    assert done.result.top1.low <= done.result.top1.value <= done.result.top1.high
    assert done.result.top5 is not None and done.result.top5.value >= done.result.top1.value


def test_softmax_comes_before_the_mean(classifier, moving):
    """A model that is very sure of one view: the mean of logits and the mean of softmax say different things."""

    class Sure(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(()))

        def forward(self, clips):
            return torch.tensor([[90.0, 0, 0], [0, 1, 0], [0, 1, 0]])[: len(clips)]

    odds = score_views(Sure(), moving[:1], replace(SMALL, crops=1), label="motion", precision="fp32").probabilities
    assert int(odds.argmax()) == 1 - int(odds[0, 0] > odds[0, 1])
    assert float(odds[0, 0]) == pytest.approx((1 + 2 * 0.2119) / 3, abs=1e-3)


def test_threads_that_read_ahead_change_nothing(classifier, moving):
    one, other = (score_views(classifier, moving, SMALL, label="motion", workers=n) for n in (0, 3))
    assert torch.equal(one.probabilities, other.probabilities) and one.result == other.result


def test_a_broken_file_is_named_and_left_out_and_so_are_videos_without_the_label(classifier, moving, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    samples = list(moving)
    samples[1], samples[3] = replace(samples[1], path=bad), replace(samples[3], labels={"appearance": 0})
    done = score_views(classifier, replace(moving, samples=tuple(samples)), SMALL, label="motion")
    assert list(done.broken) == [bad] and "1 could not be read" in str(done)
    assert done.indices.tolist() == [0, 2, *range(4, 24)] and done.result.top1.clips == 22
    with pytest.raises(DataError, match=r"none of the 1 videos can be tested on 'motion'; the first: .*bad\.mp4"):
        score_views(classifier, replace(moving, samples=(samples[1],)), SMALL, label="motion")


def test_views_that_cannot_be_are_refused():
    with pytest.raises(OptionError, match="unknown test view rule 'dense'"):
        Views("dense")
    with pytest.raises(OptionError, match="counts of at least 1"):
        Views(crops=0)


def test_fine_tuned_on_files_and_tested_on_several_views_it_knows_what_it_was_shown(encoder, moving):
    spec = FinetuneSpec(
        label="appearance", frames=4, stride=2, image=32, sampling="dense", augment="none", epochs=60, batch=8,
        repeats=1, lr=0.1, min_lr=0.0, layer_decay=0.9, mixup=0.0, cutmix=0.0, drop_path=0.0, test_clips=2,
        precision="fp32", device="cpu",
    )  # fmt: skip
    manifest = moving.select(np.flatnonzero(moving.labels("appearance") < 3))
    model = finetune(spec, encoder, manifest, classes=6).model
    done = score_views(model, manifest, spec.views, label="appearance")
    assert done.result.top1.value > 0.8
    assert done.probabilities.shape == (len(manifest), 6)
