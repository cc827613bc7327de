"""Cube masking with exact steps: boxes of the plane, each held for a run of steps, then other boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_step, uniform
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.maskers.block import BlockMasker
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class CubeFrameMasker(RatioMasker):
    """Hides the same share of every step, under rectangles that change at random times.

    The clip is cut into runs, one after the other: any stretch of steps that none has taken yet, all equally likely,
    until all are taken. A run has one plane, drawn as the masker `block` draws it.
    faithful: the plane is BEiT's drawing, made exact by hiding or revealing random places, as published. How long a
    published run is we had from its statistics alone; of fourteen readings this one agrees best.
    Paper: MME, arXiv:2210.06096.
    """

    title: ClassVar[str] = "Cube per frame"
    paper: ClassVar[str] = "MME, arXiv:2210.06096"
    exact: ClassVar[str] = "step"
    aliases: ClassVar[tuple[str, ...]] = ("mme",)

    ratio: float = option(0.4, "share of each step's places hidden", low=0, high=1)
    blocks: int = option(3, "rectangles of a run (exact drawing only)", low=1, high=64)
    faithful: bool = option(False, "the published drawing of rectangles, made exact at random")
    min_area: int = option(16, "least tokens of a rectangle (faithful only)", low=1)

    def _block(self, grid: TokenGrid) -> BlockMasker:
        return BlockMasker(
            keep=self.visible_of(grid.places), blocks=self.blocks, faithful=self.faithful, min_area=self.min_area
        )

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        return {"encoder": grid.t * self._block(grid).counts(TokenGrid(1, grid.h, grid.w))["encoder"]}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        keep = self.counts(grid)["encoder"] // grid.t
        # As many planes as steps: each may be a run of its own.
        planes = self._block(grid).draw(TokenGrid(1, grid.h, grid.w), batch * grid.t, generator, context)
        hidden = planes.hidden.view(batch, grid.t, grid.places)
        run = self._runs(grid, batch, generator)[:, :, None].expand(-1, -1, grid.places)
        return by_step((~hidden.gather(1, run)).float(), keep, grid)

    def _runs(self, grid: TokenGrid, batch: int, generator: torch.Generator) -> Tensor:
        """The run each step belongs to, (B, t) long, from 0."""
        step = torch.arange(grid.t, device=generator.device)
        first, last = torch.triu_indices(grid.t, grid.t, device=generator.device)
        stretch = (first[:, None] <= step) & (step <= last[:, None])  # (stretches, t)
        run = torch.full((batch, grid.t), -1, device=generator.device)
        for k in range(grid.t):  # the most runs there can be; a clip that is done stays as it is
            free = run < 0
            fits = ~(stretch & ~free[:, None]).any(2)  # (B, stretches)
            chosen = (fits + uniform(*fits.shape, generator=generator)).argmax(1)
            run = torch.where(stretch[chosen] & free, k, run)
        return run
