"""Full masking: nothing is visible, for tests of predictors alone and for unconditional baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.maskers.base import MaskContext, Masker, TokenMask
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class FullMasker(Masker):
    """Hides every token: visible_ids is (B, 0)."""

    title: ClassVar[str] = "Full"
    exact: ClassVar[str] = "step"

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        return {"encoder": 0}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        return TokenMask.from_visible(torch.empty(batch, 0, dtype=torch.long, device=generator.device), grid)
