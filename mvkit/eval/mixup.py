"""Mixup and cutmix for clips: one draw per batch, the same for every frame; soft labels.

timm's `Mixup` in batch mode on clips whose frames are folded into channels, so that its box is cut in (H, W). A clip's
partner is the one as far from the end of the batch as it is from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from timm.data.mixup import Mixup
from torch import Tensor

from mvkit.errors import OptionError, ShapeError, unknown

COMPAT = ("", "mvd")


class ClipMixup:
    """clips (B, C, T, H, W) float, labels (B,), generator -> mixed clips, soft labels (B, classes).

    mixup, cutmix: parameters of the Beta distribution that the share comes from, 0 for off; with both on, a batch gets
    cutmix with probability `switch`. smoothing e of n classes: a label is 1 - e + e/n on its class and e/n elsewhere,
    before mixing. The share of cutmix is that of the pixels really left.
    compat: "mvd" cuts as MVD's released fine-tuning does, which gave clips to code for images: the box drawn for
    (H, W) falls on (T, H), so mostly nothing or a band of whole rows is pasted, while labels are mixed as if it were
    the box. The defect is part of the published numbers; use it only to reproduce them.
    Raises OptionError for values out of range; when called, ShapeError for anything but an even batch of clips.
    Papers: mixup, arXiv:1710.09412; CutMix, arXiv:1905.04899; the settings, VideoMAE, arXiv:2203.12602.
    """

    def __init__(
        self,
        classes: int,
        *,
        mixup: float = 0.8,
        cutmix: float = 1.0,
        switch: float = 0.5,
        smoothing: float = 0.1,
        compat: str = "",
    ) -> None:
        if min(mixup, cutmix) < 0 or mixup + cutmix == 0 or not 0 <= switch <= 1 or not 0 <= smoothing < 1:
            raise OptionError(
                "wanted mixup and cutmix of 0 or more and not both 0, switch 0..1 and smoothing 0 to below 1; got "
                f"{mixup=} {cutmix=} {switch=} {smoothing=}"
            )
        if compat not in COMPAT:
            raise OptionError(unknown("compat", compat, COMPAT))
        self.classes, self.compat = classes, compat
        self._mix = Mixup(mixup, cutmix, switch_prob=switch, label_smoothing=smoothing, num_classes=classes)

    def __call__(self, clips: Tensor, labels: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        if clips.ndim != 5 or len(clips) % 2 or labels.shape != (len(clips),):
            raise ShapeError(
                "mixup pairs the clips of a batch: wanted (B, 3, T, H, W) with an even B and (B,) labels, "
                f"got {tuple(clips.shape)} and {tuple(labels.shape)}"
            )
        mixed = clips.clone(memory_format=torch.contiguous_format)  # timm writes into what it is given
        folded = mixed if self.compat == "mvd" else mixed.view(len(clips), -1, *clips.shape[-2:])
        with _seeded(generator):
            soft = self._mix(folded, labels)[1]
        return mixed, soft


@contextmanager
def _seeded(generator: np.random.Generator) -> Iterator[None]:
    """timm draws from NumPy's global generator: seed it from ours, and leave it as it was found."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(generator.integers(2**32, size=4, dtype=np.uint32))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
