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
    column = torch.arange(width, dtype=torch.float64)
    rate = 10000.0 ** (-2 * (column // 2) / width)
    angle = torch.arange(grid.tokens, dtype=torch.float64)[:, None] * rate
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()


TABLES = {"sincos_1d": sincos_1d}


def table(name: str, grid: TokenGrid, width: int) -> Tensor:
    """The table of that name, (N, width) float32. Raises OptionError for an unknown name."""
    if name not in TABLES:
        raise OptionError(unknown("position table", name, TABLES))
    return TABLES[name](grid, width)
