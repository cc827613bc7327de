"""Image encoders on clips: frame by frame, the tokens put in the order of the clip."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from einops import rearrange
from torch import Tensor

from mvkit.errors import ShapeError
from mvkit.maskers.base import TokenMask
from mvkit.models.vit import Encoded
from mvkit.tokens import TokenGrid


class Encoder(Protocol):
    """`VideoViT`, or another network that answers the same calls."""

    grid: TokenGrid
    patch: int
    tubelet: int
    width: int
    depth: int
    heads: int
    mean: Tensor
    std: Tensor

    @property
    def out_width(self) -> int: ...

    def finish(self, layer: Tensor) -> Tensor: ...

    def __call__(
        self,
        clips: Tensor,
        mask: TokenMask | None = None,
        *,
        layers: Collection[int] = (),
        heads: Collection[int] = (),
    ) -> Encoded: ...


def sees_frames(encoder: Encoder) -> bool:
    """Is it an image encoder: one step, of one frame?"""
    return encoder.grid.t == 1 and encoder.tubelet == 1


def per_frame(
    encoder: Encoder,
    clips: Tensor,
    *,
    steps: int | None = None,
    layers: Collection[int] = (),
    heads: Collection[int] = (),
) -> Encoded:
    """clips: (B, 3, T, H, W) in [0, 1] -> Encoded over N = steps*h*w tokens of an image encoder.

    steps: how many frames it sees: 0, T/steps, 2T/steps, ...; None is all T. Class tokens stay one a frame, (B, steps,
    D), and attention is per frame, (B*steps, heads, ...). Raises ShapeError for steps that do not divide the frames.
    """
    frames = clips.shape[2]
    steps = frames if steps is None else steps
    if frames % steps:
        raise ShapeError(f"{frames} frames do not divide into {steps} steps of an image encoder")
    shown = rearrange(clips[:, :, :: frames // steps], "b c t h w -> (b t) c 1 h w")
    seen = encoder(shown, layers=layers, heads=heads)

    def fold(x: Tensor) -> Tensor:
        return rearrange(x, "(b t) n d -> b (t n) d", b=len(clips))

    first = None if seen.class_token is None else seen.class_token.view(len(clips), steps, -1)
    return Encoded(fold(seen.tokens), {n: fold(x) for n, x in seen.layers.items()}, first, seen.heads)
