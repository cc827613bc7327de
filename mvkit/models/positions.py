"""Position tables. None of them is in a state dict: each is a function of the grid and the width.

`sincos_1d` is what VideoMAE uses: an interleaved sinusoid over the *flat* token index, which knows nothing of t, h
and w. Evaluated in float64, because the index goes up to 1567 and float32 angles are visibly off there.
"""

import torch
from torch import Tensor

from mvkit.errors import OptionError, unknown
from mvkit.tokens import TokenGrid


def sincos_1d(grid: TokenGrid, width: int) -> Tensor:
    """(N, width) float32: sin in even columns, cos in odd ones, of n / 10000^(2*(j//2)/width).

    Paper: VideoMAE, arXiv:2203.12602 (the table of the released models).
    """
    return _sincos(torch.arange(grid.tokens, dtype=torch.float64), width, base=10000).float()


def sincos_3d(grid: TokenGrid, width: int) -> Tensor:
    """(N, width) float32: a third of the columns for each of step, row and column, each `sincos_1d` of that axis.

    Tokens that are near each other in space-time have similar rows, which the flat index does not give; small models
    learn to look at neighbours sooner. The separable table of V-JEPA (arXiv:2404.08471). Differs: base 100 instead
    of 10000, which leaves most columns constant over the few places of an axis.
    """
    third = 2 * (width // 6)
    columns = (width - 2 * third, third, third)
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid.shape), indexing="ij")
    parts = [_sincos(axis.flatten(), part, base=100) for axis, part in zip(axes, columns, strict=True)]
    return torch.cat(parts, dim=1).float()


def _sincos(places: Tensor, width: int, *, base: float) -> Tensor:
    """places: (N,) float64 -> (N, width) float64, sin in even columns, cos in odd ones."""
    column = torch.arange(width, dtype=torch.float64)
    angle = places[:, None] * base ** (-2 * (column // 2) / width)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos())


TABLES = {"sincos_1d": sincos_1d, "sincos_3d": sincos_3d}


def table(name: str, grid: TokenGrid, width: int) -> Tensor:
    """The table of that name, (N, width) float32. Raises OptionError for an unknown name."""
    if name not in TABLES:
        raise OptionError(unknown("position table", name, TABLES))
    return TABLES[name](grid, width)
