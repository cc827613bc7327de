"""The clips around keyframes, with their boxes.

A clip is drawn from (seed, epoch, place) alone; boxes are cropped, mirrored and jittered with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as colours

from mvkit.data.boxes import cut, jittered, mirrored, seen_in, widened
from mvkit.data.crops import Box, crop, frame_size, resize
from mvkit.data.dataset import Key, Replaced
from mvkit.data.keyframes import Keyframe, Moment
from mvkit.data.views import short_side
from mvkit.errors import DataError, OptionError

LIMIT = 100  # boxes of a clip


@dataclass
class Boxed:
    """Clips with boxes. clips: (B, 3, T, H, W) uint8. regions: (K, 5 + classes) float32, a row a box: number of its
    clip, left, top, right, bottom as shares of the frame, and 1 for every action. step, epoch: as `dataset.Batch`."""

    clips: Tensor
    regions: Tensor
    replaced: list[Replaced] = field(default_factory=list)
    step: int = 0
    epoch: int = 0


def rows(number: int, boxes: np.ndarray, actions: np.ndarray) -> Tensor:
    """The rows of `Boxed.regions` of one clip, (n, 5 + classes)."""
    return torch.from_numpy(np.concatenate([np.full((len(boxes), 1), number), boxes, actions], 1)).float()


@dataclass
class KeyframeClips(Dataset):
    """Clips of `frames` frames, `stride` apart, around keyframes, for `ClipLoader`; boxes go with what is done to them.

    short: pixels of the short side. patch: the long side is rounded to a multiple of it. train: a random square of
    `crop` pixels (0 takes the whole frame), mirrored with chance `flip`, colours changed with `colour`, boxes
    jittered; else the whole frame and boxes widened. cache: keep what was read.
    A keyframe that cannot be read is replaced by the next one and named in `broken`; of more than 100 boxes the surest
    are kept. UMT's recipe on AVA (arXiv:2303.16058). Differs: the long side is rounded, not cut; colours change by up
    to 20 degrees of hue and a tenth of saturation and brightness, which the paper does not say.
    """

    manifest: Sequence[Keyframe]
    frames: int = 8
    stride: int = 8
    short: int = 256
    crop: int = 224
    patch: int = 16
    train: bool = True
    flip: float = 0.5
    colour: bool = True
    seed: int = 0
    cache: bool = False

    def __post_init__(self) -> None:
        if not self.manifest:
            raise DataError("no keyframes: the set is empty")
        if self.crop > self.short or self.short % self.patch or self.crop % self.patch:
            raise OptionError(
                f"short and crop must be multiples of the patch of {self.patch} and crop at most short, "
                f"got {self.short} and {self.crop}"
            )
        self._bad: dict[int, str] = {}
        self._kept: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def broken(self) -> dict[Moment, str]:
        """Moment -> reason of the keyframes that could not be read so far."""
        return {self.manifest[index].moment: reason for index, reason in sorted(self._bad.items())}

    def note(self, replaced: Sequence[Replaced]) -> None:
        """Take over what a worker found broken."""
        for item in replaced:
            self._bad.setdefault(item.index, item.reason)

    def __getitems__(self, keys: Sequence[Key]) -> Boxed | DataError:
        """A batch, or the error that stopped it, as `ClipDataset` gives it to the loader."""
        try:
            return self.batch(keys)
        except DataError as err:
            return err

    def batch(self, keys: Sequence[Key]) -> Boxed:
        """The clips of these (epoch, index) pairs. Raises DataError if none of the set can be read."""
        clips, regions, replaced = [], [], []
        for number, (epoch, index) in enumerate(keys):
            by = self._readable(index)
            if by != index:
                replaced.append(Replaced(index, self.manifest[index].path, self._bad[index], by))
            clip, keyframe, boxes = self.clip(by, epoch)
            clips.append(clip.transpose(0, 1))
            regions.append(rows(number, boxes, keyframe.actions))
        return Boxed(torch.stack(clips), torch.cat(regions), replaced)

    def clip(self, index: int, epoch: int = 0) -> tuple[Tensor, Keyframe, np.ndarray]:
        """(T, 3, H, W) uint8, the keyframe with the boxes that are seen in it, and where they are. Raises DataError."""
        keyframe, clip = self.manifest[index], self._read(index)
        high, wide = short_side(*frame_size(clip), self.short)
        clip = resize(clip, *(self.patch * max(1, round(side / self.patch)) for side in (high, wide)))
        if self.train:
            clip, boxes = self._changed(clip, keyframe.boxes, np.random.default_rng((self.seed, epoch, index)))
        else:
            boxes = widened(keyframe.boxes)
        boxes, inside = cut(boxes)
        best = np.argsort(-keyframe.scores, kind="stable")
        best = best[inside[best]][:LIMIT]
        return clip, keyframe.only(best), boxes[best]

    def _changed(self, clip: Tensor, boxes: np.ndarray, generator: np.random.Generator) -> tuple[Tensor, np.ndarray]:
        height, width = frame_size(clip)
        if self.crop:
            top, left = (int(generator.integers(side - self.crop + 1)) for side in (height, width))
            box = Box(top, left, self.crop, self.crop)
            clip, boxes = crop(clip, box), seen_in(boxes, box, height, width)
        if generator.random() < self.flip:
            clip, boxes = clip.flip(-1), mirrored(boxes)
        if self.colour:
            hue, saturation, value = generator.uniform(-1, 1, 3)
            clip = colours.adjust_hue(clip, hue * 20 / 360)
            clip = colours.adjust_saturation(clip, 1 + saturation / 10)
            clip = colours.adjust_brightness(clip, 1 + value / 10)
        # A box out of the crop would be brought back by its jitter.
        inside, seen = cut(boxes)
        return clip, np.where(seen[:, None], jittered(inside, generator), boxes)

    def _readable(self, index: int) -> int:
        """This place, or the next one that can be read."""
        for step in range(len(self)):
            other = (index + step) % len(self)
            if other not in self._bad:
                try:
                    self._read(other)
                    return other
                except DataError as err:
                    self._bad[other] = str(err)
        moment, reason = next(iter(self.broken.items()))
        raise DataError(f"none of the {len(self)} keyframes can be read; the first, {moment}: {reason}")

    def _read(self, index: int) -> Tensor:
        if index in self._kept:
            return self._kept[index]
        clip = self.manifest[index].read(self.frames, self.stride)
        if not self.cache:
            self._kept.clear()
        self._kept[index] = clip
        return clip
