"""Cube masking: boxes of space and time are hidden."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from mvkit.maskers._boxes import exposed, level, log_uniform, place
from mvkit.maskers._greedy import grow
from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import balanced, by_sample, refuse_unless, uniform
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid

TRIES = 100  # misses in a row after which the published drawing gives up
LEAST = 5  # a cube covers at least a fifth of the plane, as published


@dataclass(frozen=True)
class CubeMasker(RatioMasker):
    """Hides a share of all tokens under `cubes` boxes of random place, depth, area and shape.

    Depths are drawn from 1 to t, areas from a fifth of the plane to all of it, height / width on a log scale up to
    1 / 0.3; borders then grow or erode until the count is exact.
    faithful: MaskFeat's drawing on cells of cell x cell tokens (its 32-pixel cells): cubes are tried until the
    budget is met and often stop below it (`aux["published"]`), then random tokens are hidden up to the exact count.
    Paper: MaskFeat, arXiv:2112.09133.
    """

    title: ClassVar[str] = "Cube"
    paper: ClassVar[str] = "MaskFeat, arXiv:2112.09133"
    aliases: ClassVar[tuple[str, ...]] = ("cuboid", "maskfeat")

    ratio: float = option(0.4, "share of all tokens hidden", low=0, high=1)
    cubes: int = option(2, "boxes of a clip (exact drawing only)", low=1, high=64)
    aspect: float = option(1 / 0.3, "largest height / width, and width / height, of a box", low=1, high=10)
    faithful: bool = option(False, "the published drawing, then balanced at random")
    cell: int = option(2, "tokens along a side of a cell (faithful only)", low=1)

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        h, w = self._cells(grid)
        refuse_unless(
            not self.faithful or min(h, w) > 1,
            f"the published cubes are smaller than the plane, which has only {h}x{w} cells: "
            "lower cell or use faithful=False",
        )
        return {"encoder": self.visible_of(grid.tokens)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        keep = self.counts(grid)["encoder"]
        if self.faithful:
            published = self._published(grid, batch, generator)
            return balanced(published, keep, grid, generator, published=published)
        size = self._sizes(grid.shape, (batch, self.cubes), generator)
        size = torch.stack([size[..., axis].clamp(max=length) for axis, length in enumerate(grid.shape)], dim=-1)
        field = level(place(size, grid.shape, generator), size, grid.shape)
        return by_sample(exposed(field, generator), keep, grid)

    def _cells(self, grid: TokenGrid) -> tuple[int, int]:
        return -(-grid.h // self.cell), -(-grid.w // self.cell)

    def _sizes(self, shape: tuple[int, int, int], rows: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Depth, height and width of boxes, (*rows, 3)."""
        t, h, w = shape
        least = h * w // LEAST
        area = least + (h * w - least) * uniform(*rows, generator=generator)
        aspect = log_uniform(self.aspect, *rows, generator=generator)
        depth = 1 + (uniform(*rows, generator=generator) * t).floor()
        return torch.stack([depth, (area * aspect).sqrt(), (area / aspect).sqrt()], dim=-1)

    def _propose(self, shape: tuple[int, int, int], generator: torch.Generator, left: Tensor) -> Tensor:
        return self._sizes(shape, (len(left),), generator).round()

    def _published(self, grid: TokenGrid, batch: int, generator: torch.Generator) -> Tensor:
        shape = (grid.t, *self._cells(grid))
        target = round(shape[0] * shape[1] * shape[2] * self.share_of(grid.tokens))
        cells = grow(shape, batch, target, TRIES, partial(self._propose, shape, generator), generator)
        tokens = cells.repeat_interleave(self.cell, 2).repeat_interleave(self.cell, 3)
        return tokens[:, :, : grid.h, : grid.w].flatten(1)
