"""Attention-guided masking: what a teacher looks at is kept visible (UMT) or hidden (AttMask); one sign apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_column, by_step, keys, pick, uniform
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid

POOL = 0.1  # the share of the most attended places hints are drawn from, as in AttMask


@dataclass(frozen=True)
class AttentionMasker(RatioMasker):
    """Keeps visible, or hides, the most attended places of each step.

    context.attention: (B, t, h*w) >= 0, for example class token to patch attention, averaged over heads.
    gumbel: places are drawn without replacement, in proportion to attention (UMT, ratio 0.8); top: the most attended.
    hint (direction hide): this share of the hidden count is revealed among the top tenth of the places, and others
    hidden instead; AttMask is ratio 0.1 to 0.5, direction="hide", select="top", hint 0 (high) or 0.1 (hint).
    tube: places are chosen once, by their attention over all steps, instead of step by step.
    Paper: UMT, arXiv:2303.16058; AttMask, arXiv:2203.12719 (images). Differs from AttMask: the hidden count stays
    exact with hints, and one ratio sets both.
    """

    title: ClassVar[str] = "Attention"
    paper: ClassVar[str] = "UMT, arXiv:2303.16058"
    needs: ClassVar[frozenset[str]] = frozenset({"attention"})
    exact: ClassVar[str] = "step"
    aliases: ClassVar[tuple[str, ...]] = ("umt", "attmask")

    ratio: float = option(0.8, "share of each step's places hidden", low=0, high=1)
    direction: str = option("keep", "keep or hide what is attended", choices=("keep", "hide"))
    select: str = option("gumbel", "draw in proportion to attention, or take the top", choices=("gumbel", "top"))
    hint: float = option(0.0, "share of the hidden count revealed among the most attended (hide)", low=0, high=1)
    tube: bool = option(False, "the same places in all steps")

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        return {"encoder": grid.t * self.visible_of(grid.places)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        assert context.attention is not None
        attention = context.attention.to(generator.device).float()
        score = attention.mean(1, keepdim=True) if self.tube else attention
        keep = self.counts(grid)["encoder"] // grid.t
        key = keys(score, self.select, generator).float()
        if self.direction == "hide":
            key = self._hinted(-key, score, grid.places - keep, generator)
        if self.tube:
            return by_column(key[:, 0], keep, grid, attention=attention)
        return by_step(key, keep, grid, attention=attention)

    def _hinted(self, key: torch.Tensor, score: torch.Tensor, hidden: int, generator: torch.Generator) -> torch.Tensor:
        """Raise the key of `hint` of the hidden count, drawn evenly from the most attended places, to infinity."""
        places = key.shape[-1]
        pool = pick(score, max(1, int(places * POOL)))
        reveal = min(int(self.hint * hidden + 1e-6), pool.shape[-1])
        drawn = pick(uniform(*pool.shape, generator=generator), reveal)
        return key.scatter(-1, pool.gather(-1, drawn), float("inf"))
