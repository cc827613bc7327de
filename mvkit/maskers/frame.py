"""Frame masking: whole steps are hidden; the others are seen in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_sample, uniform
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class FrameMasker(RatioMasker):
    """Hides a share of the t steps, chosen at random; the ratio is rounded to whole steps.

    No hidden token has a visible neighbour in its own step: the task becomes predicting frames, and MAE-ST measured
    it well below the others. Paper: MAE-ST, arXiv:2205.09113 ("time-only").
    """

    title: ClassVar[str] = "Frame"
    paper: ClassVar[str] = "MAE-ST, arXiv:2205.09113"
    aliases: ClassVar[tuple[str, ...]] = ("time_only",)

    ratio: float = option(0.75, "share of the steps hidden", low=0, high=1)

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        return {"encoder": grid.places * self.visible_of(grid.t)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        score = uniform(batch, grid.t, generator=generator).argsort(1).argsort(1)
        return by_sample(score.repeat_interleave(grid.places, dim=1), self.counts(grid)["encoder"], grid)
