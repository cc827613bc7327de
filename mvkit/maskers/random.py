"""Random masking: every token of the clip on its own, blind to time and place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_sample, uniform
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class RandomMasker(RatioMasker):
    """Hides a share of all tokens; the count of a step varies (7 to 37 visible of 196 at 0.9).

    A hidden token between two steps is visible at its place in a neighbouring step with probability 1 - ratio^2.
    Paper: MAE-ST, arXiv:2205.09113 ("agnostic"); images: MAE, arXiv:2111.06377.
    """

    title: ClassVar[str] = "Random"
    paper: ClassVar[str] = "MAE-ST, arXiv:2205.09113"
    aliases: ClassVar[tuple[str, ...]] = ("agnostic",)

    ratio: float = option(0.9, "share of all tokens hidden", low=0, high=1)

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        return {"encoder": self.visible_of(grid.tokens)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        return by_sample(uniform(batch, grid.tokens, generator=generator), self.counts(grid)["encoder"], grid)
