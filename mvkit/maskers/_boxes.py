"""Boxes on the grid, and their level function: blocks with exact counts.

For boxes with centre c and half-size s the level at a token x is max over boxes of min over axes of s - |x - c|:
positive inside the union of the boxes, falling with distance outside. Hiding the top K of it hides about the union;
where the union is too large its borders erode, where it is too small they grow, and the count is exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mvkit.maskers._select import uniform


def sides(area: Tensor, aspect: Tensor, h: int, w: int) -> Tensor:
    """Height and width of boxes by area (tokens) and aspect (height / width), at most the plane's. -> (..., 2)."""
    return torch.stack([(area * aspect).sqrt().clamp(max=h), (area / aspect).sqrt().clamp(max=w)], dim=-1)


def log_uniform(limit: float, *shape: int, generator: torch.Generator) -> Tensor:
    """Aspects drawn evenly on a log scale from 1/limit to limit."""
    return float(limit) ** (2 * uniform(*shape, generator=generator) - 1)


def place(size: Tensor, shape: Sequence[int], generator: torch.Generator, *, whole: bool = False) -> Tensor:
    """Low corners of boxes put anywhere they fit, evenly; on whole tokens, as published generators do, or between.

    size: (B, n, axes) in tokens -> (B, n, axes).
    """
    room = torch.stack([length - size[..., axis] for axis, length in enumerate(shape)], dim=-1)
    share = uniform(*size.shape, generator=generator)
    return (share * (room + 1)).floor() if whole else share * room


def level(low: Tensor, size: Tensor, shape: Sequence[int]) -> Tensor:
    """low, size: (B, n, axes) in tokens -> (B, *shape), positive exactly where a token's centre lies in a box."""
    field = low.new_full((), float("inf"))
    for axis, length in enumerate(shape):
        half = size[..., axis, None] / 2
        centre = low[..., axis, None] + half
        inside = half - (torch.arange(length, device=low.device) + 0.5 - centre).abs()  # (B, n, length)
        along = [length if a == axis else 1 for a in range(len(shape))]
        field = torch.minimum(field, inside.view(*inside.shape[:2], *along))
    return field.amax(1)


def exposed(field: Tensor, generator: torch.Generator) -> Tensor:
    """Score (large = visible) of a level function, equal levels in random order. field: (B, *shape) -> (B, n)."""
    field = field.flatten(1)
    return 1e-3 * uniform(*field.shape, generator=generator) - field


def rolled(score: Tensor, h: int, w: int, generator: torch.Generator) -> Tensor:
    """Shift each row's plane by its own random amount, around the edges: no place is favoured. score: (B, h*w)."""
    batch = len(score)
    y, x = (
        (torch.arange(n, device=score.device) + (uniform(batch, 1, generator=generator) * n).long()) % n for n in (h, w)
    )
    return score.gather(1, (y[:, :, None] * w + x[:, None, :]).flatten(1))
