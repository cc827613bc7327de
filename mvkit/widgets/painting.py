"""A mask painted by hand: strokes over a picture, and the text that stands for what they left hidden.

The text lists hidden tokens, t-major as everywhere, runs as first-last: "0-13 20". It can be typed as well as painted.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from mvkit.errors import MaskError
from mvkit.maskers import TokenMask
from mvkit.tokens import TokenGrid


def text_of(hidden: np.ndarray) -> str:
    """Hidden tokens (any shape, bool) as text."""
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in _runs(hidden))


def hidden_of(text: str, grid: TokenGrid) -> np.ndarray:
    """The text as (t, h, w) bool, True = hidden. Raises MaskError for what is no list of tokens of this grid."""
    hidden = np.zeros(grid.tokens, bool)
    for part in text.replace(",", " ").split():
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < grid.tokens):
            raise MaskError(f"painted tokens are numbers from 0 to {grid.tokens - 1} and runs like 3-7, got '{part}'")
        hidden[int(first) : int(last) + 1] = True
    return hidden.reshape(grid.shape)


def mask_of(text: str, grid: TokenGrid) -> TokenMask:
    """The text as a mask of one clip. Raises MaskError."""
    return TokenMask(torch.from_numpy(hidden_of(text, grid)).flatten()[None], grid)


def code_of(text: str, grid: TokenGrid) -> str:
    """The line of Python that makes the same mask, with torch and mvkit alone."""
    runs = _runs(hidden_of(text, grid))
    ids = ", ".join(str(a) if a == b else f"*range({a}, {b + 1})" for a, b in runs)
    kind = "" if runs else ", dtype=torch.long"
    return (
        f"mvkit.maskers.TokenMask(torch.isin(torch.arange({grid.tokens}), torch.tensor([{ids}]{kind}))[None], "
        f"mvkit.TokenGrid{grid.shape})"
    )


def stroke(
    hidden: np.ndarray, tokens: Iterable[tuple[int, int, int]], *, hide: bool = True, through: bool = False
) -> np.ndarray:
    """A copy of hidden (t, h, w) with the tokens (t, y, x) of a stroke hidden or shown, in all steps if `through`."""
    painted = hidden.copy()
    for step, y, x in tokens:
        painted[slice(None) if through else step, y, x] = hide
    return painted


def between(points: Iterable[tuple[float, float]], reach: float) -> list[tuple[float, float]]:
    """Points (x, y) of a stroke with others filled in, so that none is more than `reach` from the one before."""
    filled: list[tuple[float, float]] = []
    for x, y in points:
        if filled:
            x0, y0 = filled[-1]
            pieces = max(1, int(np.ceil(max(abs(x - x0), abs(y - y0)) / reach)))
            filled += [(x0 + (x - x0) * k / pieces, y0 + (y - y0) * k / pieces) for k in range(1, pieces)]
        filled.append((x, y))
    return filled


def _runs(hidden: np.ndarray) -> list[tuple[int, int]]:
    """First and last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden.ravel().astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]
