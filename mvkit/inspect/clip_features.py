"""One clip in every layer of one encoder, kept where it was computed: then any question about it is a small product.

What an explorer asks while someone clicks: the map of a token (one matrix-vector product), the matrices of steps, and
the same matrices of two controls, a static clip and clips whose steps are in another order.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.attention import on_grid
from mvkit.inspect.query_keys import encode
from mvkit.inspect.similarity import frame_matrix, shuffled_clip, static_clip, unit_features
from mvkit.models.frames import Encoder, sees_frames
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid, patchify

KEPT = 8  # layers whose unit features are kept: 4.8 MB each for 8x14x14 tokens of width 768


class ClipFeatures:
    """clip: (1, 3, T, H, W) in [0, 1]. encoder: as `inspect.query_keys.encode` takes it, in the mode it is in, or None
    for the pixels of each token of `grid`. grid: of a video encoder its own; an image encoder sees `grid.t` frames.

    shuffles: how many other orders of the steps the control has, drawn from `seed`. Layers are residual streams, 1 to
    `depth`; pixels have one. Raises ShapeError.
    """

    def __init__(
        self, encoder: Encoder | Teacher | None, clip: Tensor, grid: TokenGrid, *, shuffles: int = 4, seed: int = 0
    ) -> None:
        inner: Any = encoder.encoder if isinstance(encoder, Teacher) else encoder
        if clip.ndim != 5 or len(clip) != 1 or clip.shape[2] % grid.t:
            raise ShapeError(f"one clip (1, 3, T, H, W) of {grid.t} steps is asked, got {tuple(clip.shape)}")
        if inner is not None and not sees_frames(inner) and inner.grid.t != grid.t:
            raise ShapeError(f"this encoder has {inner.grid.t} steps, its features were wanted on {grid.t}")
        self.encoder, self.shuffles, self.seed = encoder, shuffles, seed
        self.grid = grid if inner is None else TokenGrid(grid.t, inner.grid.h, inner.grid.w)
        self.depth = 1 if inner is None else inner.depth
        self.clip = clip if inner is None else clip.to(inner.mean.device)
        self._unit = lru_cache(KEPT)(self._unit_features)
        self._matrices = lru_cache(None)(self._all_matrices)

    def layer(self, number: int) -> Tensor:
        """Residual stream after a block, (1, N, D). Raises OptionError for a block that does not exist."""
        self._check(number)
        return self._layers[number]

    def query_map(self, layer: int, query: tuple[int, int, int], *, centred: bool = True) -> Tensor:
        """Cosine of one token (t, y, x) with all: (t, h, w), as `similarity.query_map`. Raises ShapeError."""
        self._check(layer)
        unit = self._unit(layer, centred)  # (N, D)
        return on_grid((unit @ unit[self.grid.index(*query)])[None], self.grid)[0]

    def matrix(self, layer: int, *, kind: str = "aligned", centred: bool = True) -> Tensor:
        """Of the steps of the clip: (t, t), as `similarity.frame_matrix`. Raises OptionError."""
        self._check(layer)
        return self._matrices("clip", layer, kind, centred)[0]

    def static(self, layer: int, *, kind: str = "aligned", centred: bool = True) -> Tensor:
        """The same of the static clip: (t, t)."""
        self._check(layer)
        return self._matrices("controls", layer, kind, centred)[0]

    def shuffled(self, layer: int, *, kind: str = "aligned", centred: bool = True) -> Tensor:
        """The same of the clip with its steps in other orders: (shuffles, t, t)."""
        self._check(layer)
        return self._matrices("controls", layer, kind, centred)[1:]

    @cached_property
    def _layers(self) -> dict[int, Tensor]:
        return self._encode(self.clip)

    @cached_property
    def _controls(self) -> dict[int, Tensor]:
        """Of the static clip and then the shuffled ones, (1 + shuffles, N, D) each."""
        many = self.clip.expand(self.shuffles, -1, -1, -1, -1)
        orders = torch.Generator().manual_seed(self.seed)
        mixed = shuffled_clip(many, generator=orders, tubelet=self.clip.shape[2] // self.grid.t)
        return self._encode(torch.cat([static_clip(self.clip), mixed]))

    @torch.no_grad()
    def _encode(self, clips: Tensor) -> dict[int, Tensor]:
        if self.encoder is None:
            (t, h, _), frames, height = self.grid.shape, clips.shape[2], clips.shape[3]
            return {1: patchify(clips, tubelet=frames // t, patch=height // h)}
        return encode(self.encoder, clips, steps=self.grid.t, layers=range(1, self.depth + 1)).layers

    def _unit_features(self, layer: int, centred: bool) -> Tensor:
        return unit_features(self._layers[layer], self.grid, centred=centred)[0].flatten(0, 1)

    def _all_matrices(self, which: str, layer: int, kind: str, centred: bool) -> Tensor:
        tokens = self._layers[layer] if which == "clip" else self._controls[layer]
        return frame_matrix(tokens, self.grid, kind=kind, centred=centred)

    def _check(self, layer: int) -> None:
        if not 1 <= layer <= self.depth:
            raise OptionError(f"block {layer} does not exist: this encoder has blocks 1 to {self.depth}")
