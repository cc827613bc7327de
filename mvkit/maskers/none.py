"""No masking: everything is visible, for teachers, fine-tuning and probes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.maskers.base import MaskContext, Masker, TokenMask
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class NoneMasker(Masker):
    """Hides nothing: hidden_ids is (B, 0)."""

    title: ClassVar[str] = "None"
    exact: ClassVar[str] = "step"

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        return {"encoder": grid.tokens}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        return TokenMask.from_visible(torch.arange(grid.tokens, device=generator.device).expand(batch, -1), grid)
