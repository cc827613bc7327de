"""Tube masking: the same places are hidden in every step.

A video repeats itself from frame to frame, so a token hidden in one step only can be copied from the next; hiding the
whole tube takes that shortcut away where nothing moves. Columns are sorted, never tokens: cutting a sort of repeated
noise leaves one column half visible whenever the count is not a multiple of t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_column, uniform
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class TubeMasker(RatioMasker):
    """Hides a share of the h*w places in all steps at once.

    Paper: VideoMAE, arXiv:2203.12602. MAE-ST (arXiv:2205.09113) calls it space-only, V-JEPA random-tube.
    """

    title: ClassVar[str] = "Tube"
    paper: ClassVar[str] = "VideoMAE, arXiv:2203.12602"
    exact: ClassVar[str] = "step"
    aliases: ClassVar[tuple[str, ...]] = ("space_only", "random_tube")

    ratio: float = option(0.9, "share of the places hidden in every step", low=0, high=1)

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        return {"encoder": grid.t * self.visible_of(grid.places)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        keep = self.counts(grid)["encoder"] // grid.t
        return by_column(uniform(batch, grid.places, generator=generator), keep, grid)
