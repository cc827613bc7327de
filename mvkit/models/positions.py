"""Position tables. None of them is in a state dict: each is a function of the grid and the width.

`sincos_1d` is what VideoMAE uses: an interleaved sinusoid over the *flat* token index, which knows nothing of t, h
and w. Evaluated in float64, because the index goes up to 1567 and float32 angles are visibly off there.
"""

import torch
from torch import Tensor

from mvkit.errors import OptionError, ShapeError, unknown
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
    parts = [_sincos(axis, part, base=100) for axis, part in zip(_axes(grid), columns, strict=True)]
    return torch.cat(parts, dim=1).float()


def blocked_3d(grid: TokenGrid, width: int) -> Tensor:
    """(N, width) float32: a quarter of the columns for the step, then three eighths each for *column* and row.

    Each part holds all its sines, then all its cosines. The table of MVD's students (arXiv:2212.04500).
    Raises ShapeError unless the width divides by 16.
    """
    if width % 16:
        raise ShapeError(f"position table 'blocked_3d' needs a width that divides by 16, got {width}")
    t, y, x = _axes(grid)
    return torch.cat([_blocked(t, width // 4), _blocked(x, 3 * width // 8), _blocked(y, 3 * width // 8)], dim=1).float()


def blocked_2d(grid: TokenGrid, width: int) -> Tensor:
    """(N, width) float32: half of the columns for the *column*, half for the row, the same in every step.

    Each half holds all its sines, then all its cosines. The table of image MAE (arXiv:2111.06377).
    Raises ShapeError unless the width divides by 4.
    """
    if width % 4:
        raise ShapeError(f"position table 'blocked_2d' needs a width that divides by 4, got {width}")
    _, y, x = _axes(grid)
    return torch.cat([_blocked(x, width // 2), _blocked(y, width // 2)], dim=1).float()


def _axes(grid: TokenGrid) -> tuple[Tensor, ...]:
    """Step, row and column of every token, each (N,) float64."""
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid.shape), indexing="ij")
    return tuple(axis.flatten() for axis in axes)


def _blocked(places: Tensor, width: int) -> Tensor:
    """places: (N,) float64 -> (N, width) float64, sines in the first half of the columns, cosines in the second."""
    angle = places[:, None] * 10000.0 ** (-torch.arange(width // 2, dtype=torch.float64) / (width / 2))
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def _sincos(places: Tensor, width: int, *, base: float) -> Tensor:
    """places: (N,) float64 -> (N, width) float64, sin in even columns, cos in odd ones."""
    column = torch.arange(width, dtype=torch.float64)
    angle = places[:, None] * base ** (-2 * (column // 2) / width)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos())


TABLES = {"sincos_1d": sincos_1d, "sincos_3d": sincos_3d, "blocked_3d": blocked_3d, "blocked_2d": blocked_2d}


def table(name: str, grid: TokenGrid, width: int) -> Tensor:
    """The table of that name, (N, width) float32. Raises OptionError for an unknown name."""
    if name not in TABLES:
        raise OptionError(unknown("position table", name, TABLES))
    return TABLES[name](grid, width)
