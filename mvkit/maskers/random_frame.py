"""Random masking per step: every step hides the same number of its own random places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_step, uniform
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class RandomFrameMasker(RatioMasker):
    """Hides a share of the places of each step, drawn anew for each step.

    Leaks over time as random masking does, but its counts per step are exact: for code that folds visible tokens
    to (B, t, V/t, D). Source: the per-frame option of PySlowFast's masked autoencoder.
    """

    title: ClassVar[str] = "Random per frame"
    paper: ClassVar[str] = "MAE-ST, arXiv:2205.09113"
    exact: ClassVar[str] = "step"

    ratio: float = option(0.9, "share of each step's places hidden", low=0, high=1)

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        return {"encoder": grid.t * self.visible_of(grid.places)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        keep = self.counts(grid)["encoder"] // grid.t
        return by_step(uniform(batch, grid.t, grid.places, generator=generator), keep, grid)
