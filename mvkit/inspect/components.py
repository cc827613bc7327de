"""Features as colours: their three principal components as red, green and blue.

One set of components, fitted once, colours several sets of features: the same colour then means the same feature, in a
teacher's answer and in what a student predicts of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mvkit.errors import ShapeError

CUT = 0.02  # of the values at each end of a component are drawn as its ends: one odd token leaves the rest its colours


@dataclass(frozen=True)
class Components:
    """mean: (D,). axes: (D, 3), orthonormal. low, high: (3,), the coordinates drawn as 0 and 1. share: (3,), of the
    variance that each axis holds, 0 to 1."""

    mean: Tensor
    axes: Tensor
    low: Tensor
    high: Tensor
    share: Tensor

    def colours(self, tokens: Tensor) -> Tensor:
        """tokens: (..., D) -> (..., 3) in [0, 1], values beyond the ends cut off. Raises ShapeError."""
        if tokens.shape[-1] != len(self.mean):
            raise ShapeError(
                f"these components are of features of width {len(self.mean)}, got {tuple(tokens.shape)}: fit others"
            )
        at = (tokens.float() - self.mean) @ self.axes
        return ((at - self.low) / (self.high - self.low)).clamp(0, 1)


def principal(tokens: Tensor) -> Components:
    """The three directions in which features (..., D) differ most; signs fixed, so that a second fit gives the same.

    Raises ShapeError for fewer than 3 dimensions or 4 tokens.
    """
    flat = tokens.detach().float().flatten(0, -2)
    if flat.shape[-1] < 3 or len(flat) < 4:
        raise ShapeError(f"three components need 4 tokens of width 3 at least, got {tuple(tokens.shape)}")
    mean = flat.mean(0)
    centred = flat - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(flat))  # ascending
    axes = vectors[:, -3:].flip(-1)
    largest = axes.abs().argmax(0, keepdim=True)
    axes = axes * axes.gather(0, largest).sign()
    at = (centred @ axes).sort(0).values
    cut = int(CUT * len(at))
    low, high = at[cut], at[len(at) - 1 - cut]
    share = values[-3:].flip(0).clamp_min(0) / values.clamp_min(0).sum().clamp_min(1e-12)
    return Components(mean, axes, low, torch.maximum(high, low + 1e-6), share)
