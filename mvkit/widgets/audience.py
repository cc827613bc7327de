"""Several encoders before the same clip, each seeing it at its own size and, where it can, under a mask of its grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import torch

from mvkit import maskers
from mvkit.data.probe import probe
from mvkit.data.shapes import ShapesSpec
from mvkit.inspect.attention_distance import AttentionDistance, attention_distance
from mvkit.inspect.clip_attention import ClipAttention
from mvkit.inspect.compared import Compared
from mvkit.maskers import TokenMask
from mvkit.widgets.footage import Footage, Window

ANSWERED = {"video", "features"}  # what a masker may need besides the grid: a clip alone gives it


class Place(NamedTuple):
    """Which frames: of the clip called so, or of a file if one is named."""

    sample: str
    video: str
    start: int
    stride: int


class Masking(NamedTuple):
    """masker: a name, with its ratio; drawn from seed."""

    masker: str
    ratio: float
    seed: int


def drawable() -> tuple[str, ...]:
    """Maskers that have a ratio and need nothing but the clip."""
    known = {name: maskers.get(name) for name in maskers.available()}
    return tuple(name for name, kind in known.items()
                 if kind.needs <= ANSWERED and "ratio" in {field.name for field in fields(kind)})  # fmt: skip


class Audience:
    """models, steps: as `Compared`. clips: label -> what `Footage` takes. fps: of clips that are no files; None is that
    of the sample clips for those, and unknown for arrays. Raises what opening models and clips raises."""

    def __init__(self, models: Mapping[str, Any], clips: Mapping[str, Any], *, steps: int, fps: float | None) -> None:
        self.compared = Compared(models, steps=steps)
        self.clips, self.fps = dict(clips), fps
        self.footage = lru_cache(16)(self._footage)
        self.window = lru_cache(16)(self._window)
        self.mask = lru_cache(16)(self._mask)
        # Two places or masks of each, so that going back costs nothing.
        self.attention = lru_cache(2 * len(models))(self._attention)
        sizes = {label: (one.encoder.grid.h * one.encoder.patch, one.encoder.grid.w * one.encoder.patch)
                 for label, one in self.compared.encoders.items()}  # fmt: skip
        self.sizes, self.largest = sizes, max(sizes.values())

    def length(self, sample: str, video: str) -> int:
        """Frames of a clip or file."""
        return self.footage(sample, video, self.largest).length

    def frames(self, place: Place) -> np.ndarray:
        """(T, H, W, 3) uint8 at the largest size any encoder sees."""
        return self.window(place, self.largest).frames

    def step_seconds(self, place: Place) -> float | None:
        """From one step of the grid to the next; None where nothing says how fast the clip runs."""
        source, fps = place.video or self.clips[place.sample], self.fps
        if isinstance(source, str | PathLike):
            fps = probe(source).fps or fps
        elif isinstance(source, int):
            fps = fps or ShapesSpec().fps
        tubelet = self.compared.frames // self.compared.grid.t
        return tubelet * place.stride / fps if fps else None

    def distance(self, label: str, place: Place) -> AttentionDistance:
        """How far its heads look, in pixels of its own frames and in seconds, or in steps where no speed is known."""
        blocks, seconds = self.attention(label, place, None).blocks, self.step_seconds(place) or 1.0
        return attention_distance(blocks, patch=self.compared.encoders[label].encoder.patch, fps=1 / seconds)

    def masks(self, label: str) -> bool:
        """Can this encoder see a clip under a mask? Image encoders see frames one by one, whole."""
        return not self.compared.encoders[label].per_frame

    def _footage(self, sample: str, video: str, size: tuple[int, int]) -> Footage:
        return Footage(video or self.clips[sample], size)

    def _window(self, place: Place, size: tuple[int, int]) -> Window:
        """The frames at a size; its grid is that of the encoder of this size and patch only in steps."""
        one, of = self.footage(place.sample, place.video, size), self.compared
        patch = next(own.encoder.patch for label, own in of.encoders.items() if self.sizes[label] == size)
        return one.window(place.start, place.stride, frames=of.frames, tubelet=of.frames // of.grid.t, patch=patch)

    def _mask(self, label: str, place: Place, masking: Masking) -> TokenMask:
        encoder, window = self.compared.encoders[label].encoder, self.window(place, self.sizes[label])
        masker = maskers.create(masking.masker, ratio=masking.ratio)
        generator = torch.Generator().manual_seed(masking.seed)
        return masker(encoder.grid, 1, generator=generator, context=window.context(masker.needs)).primary

    def _attention(self, label: str, place: Place, masking: Masking | None) -> ClipAttention:
        mask = self.mask(label, place, masking) if masking and self.masks(label) else None
        video = self.window(place, self.sizes[label]).video
        return ClipAttention(self.compared.encoders[label], video, steps=self.compared.grid.t, mask=mask)
