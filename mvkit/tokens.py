"""The token grid, and pixels cut into tokens and put back.

Tokens are ordered t-major, then h, then w: n = (t*h_grid + y)*w_grid + x. `P` is the number of pixel values of one
token, tubelet * patch * patch * 3, ordered (frame, y, x, channel), channel fastest: the order of the official targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvkit.errors import ShapeError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TokenGrid:
    """t steps in time, h rows, w columns of tokens; all at least 1. An image is a grid with t=1."""

    t: int
    h: int
    w: int

    def __post_init__(self) -> None:
        for axis in ("t", "h", "w"):
            size = getattr(self, axis)
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ShapeError(f"TokenGrid: {axis} must be a whole number of at least 1, got {size!r}")

    @classmethod
    def of_clip(cls, frames: int, height: int, width: int, *, tubelet: int = 2, patch: int = 16) -> TokenGrid:
        """The grid of a clip of `frames` frames of height x width pixels. Raises ShapeError if it does not divide."""
        for name, size, step in (("frames", frames, tubelet), ("height", height, patch), ("width", width, patch)):
            if size < step or size % step:
                raise ShapeError(
                    f"{name}={size} is not a multiple of {step}; crop or pad the clip to {step * max(1, size // step)}"
                )
        return cls(frames // tubelet, height // patch, width // patch)

    @property
    def places(self) -> int:
        """Tokens of one step: h*w."""
        return self.h * self.w

    @property
    def tokens(self) -> int:
        """All tokens: t*h*w."""
        return self.t * self.h * self.w

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.t, self.h, self.w

    def index(self, t: int, y: int, x: int) -> int:
        """Token number of step t, row y, column x. Raises ShapeError outside the grid."""
        if not (0 <= t < self.t and 0 <= y < self.h and 0 <= x < self.w):
            raise ShapeError(f"token ({t}, {y}, {x}) lies outside {self}")
        return (t * self.h + y) * self.w + x

    def place(self, token: int) -> tuple[int, int, int]:
        """(t, y, x) of a token number; the inverse of `index`."""
        if not 0 <= token < self.tokens:
            raise ShapeError(f"token {token} lies outside {self} with {self.tokens} tokens")
        t, rest = divmod(token, self.places)
        return t, *divmod(rest, self.w)

    def __str__(self) -> str:
        return f"{self.t}x{self.h}x{self.w} grid"


def patchify(clips: Tensor, *, tubelet: int, patch: int) -> Tensor:
    """clips: (B, C, T, H, W) -> (B, N, P), P = tubelet*patch*patch*C, channel fastest. Raises ShapeError."""
    from einops import rearrange

    TokenGrid.of_clip(*clips.shape[-3:], tubelet=tubelet, patch=patch)
    cut = rearrange(clips, "b c (t dt) (h dh) (w dw) -> b (t h w) c (dt dh dw)", dt=tubelet, dh=patch, dw=patch)
    return cut.mT.flatten(2)  # in two copies, each along whole rows: 3 times as fast on a CPU as one


def unpatchify(pixels: Tensor, grid: TokenGrid, *, tubelet: int, patch: int) -> Tensor:
    """pixels: (B, N, P) -> (B, C, T, H, W); the inverse of `patchify`. Raises ShapeError."""
    from einops import rearrange

    if pixels.shape[1] != grid.tokens or pixels.shape[2] % (tubelet * patch * patch):
        raise ShapeError(
            f"pixels {tuple(pixels.shape)} do not fit a {grid} with tubelet {tubelet} and patch {patch}: "
            f"wanted (B, {grid.tokens}, {tubelet * patch * patch}*C)"
        )
    return rearrange(
        pixels, "b (t h w) (dt dh dw c) -> b c (t dt) (h dh) (w dw)",
        t=grid.t, h=grid.h, w=grid.w, dt=tubelet, dh=patch, dw=patch,
    )  # fmt: skip
