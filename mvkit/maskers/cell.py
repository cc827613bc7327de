"""Running cell: a small pattern tiled over the plane that moves on by one position every step.

The opposite of a tube: what one step drops the next ones keep, so half the tokens still tell nearly everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mvkit.maskers._select import by_step, refuse_unless, uniform
from mvkit.maskers.base import MaskContext, Masker, TokenMask, option
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class CellMasker(Masker):
    """Hides `ratio` of the positions of every cell; position i is hidden at step k if (i+k+phase) % side^2 is low.

    A place is visible in t*(1 - ratio) steps when t is a multiple of side^2. With one phase for all cells only
    side^2 masks exist. shared=False gives each cell its own phase (UM-MAE's one of every 2x2), shuffle_time puts
    the steps in random order (MAR in training). The ratio is rounded down to whole positions.
    Raises MaskError on a grid that is not whole cells.
    Paper: MAR, arXiv:2207.11660; as decoder mask: VideoMAE V2, arXiv:2303.16727 (masker `dual`).
    """

    title: ClassVar[str] = "Running cell"
    paper: ClassVar[str] = "MAR, arXiv:2207.11660"
    exact: ClassVar[str] = "step"
    aliases: ClassVar[tuple[str, ...]] = ("running_cell",)

    ratio: float = option(0.5, "share of a cell's positions hidden", low=0, high=1)
    side: int = option(2, "tokens along a side of the cell", low=1)
    shared: bool = option(True, "one phase for all cells of a clip")
    shuffle_time: bool = option(False, "steps in random order")

    def dropped(self) -> int:
        """Hidden positions of a cell."""
        return int(self.side**2 * self.ratio + 1e-6)

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        refuse_unless(
            grid.h % self.side == 0 and grid.w % self.side == 0,
            f"a {grid} cannot be cut into {self.side}x{self.side} cells: choose a side that divides both",
        )
        return {"encoder": grid.tokens // self.side**2 * (self.side**2 - self.dropped())}

    def hidden(self, grid: TokenGrid, batch: int, generator: torch.Generator) -> Tensor:
        """(B, t, h*w) bool, True = dropped."""
        self.counts(grid)  # refuses a grid that is not whole cells
        period, device = self.side**2, generator.device
        y, x = (torch.arange(n, device=device) for n in (grid.h, grid.w))
        position = ((y % self.side)[:, None] * self.side + x % self.side).flatten()
        columns = grid.w // self.side
        cell = ((y // self.side)[:, None] * columns + x // self.side).flatten()
        phases = 1 if self.shared else grid.places // period
        phase = (uniform(batch, phases, generator=generator) * period).long().expand(-1, grid.places // period)
        step = torch.arange(grid.t, device=device).expand(batch, -1)
        if self.shuffle_time:
            step = uniform(batch, grid.t, generator=generator).argsort(1)
        return (position + phase[:, None, cell] + step[:, :, None]) % period < self.dropped()

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        keep = self.counts(grid)["encoder"] // grid.t
        return by_step((~self.hidden(grid, batch, generator)).float(), keep, grid)
