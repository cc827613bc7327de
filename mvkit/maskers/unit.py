"""Mask units: tokens are hidden in whole bricks, so a neighbour seldom gives a token away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import repeat

from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_sample, refuse_unless, uniform
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class UnitMasker(RatioMasker):
    """Random masking of bricks of time x side x side tokens; time = t makes tubes of square columns.

    The ratio is rounded to whole bricks. Raises MaskError on a grid that is not whole bricks.
    Paper: SimMIM, arXiv:2111.09886 (images); Hiera, arXiv:2306.00989 (video).
    """

    title: ClassVar[str] = "Mask units"
    paper: ClassVar[str] = "Hiera, arXiv:2306.00989"
    aliases: ClassVar[tuple[str, ...]] = ("mask_unit",)

    ratio: float = option(0.9, "share of the bricks hidden", low=0, high=1)
    time: int = option(1, "steps of a brick", low=1)
    side: int = option(2, "tokens along a side of a brick", low=1)

    def _brick(self) -> tuple[int, int, int]:
        return self.time, self.side, self.side

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        brick = self._brick()
        refuse_unless(
            all(n % m == 0 for n, m in zip(grid.shape, brick, strict=True)),
            f"a {grid} cannot be cut into {'x'.join(map(str, brick))} bricks: choose time and side that divide it",
        )
        size = self.time * self.side**2
        return {"encoder": size * self.visible_of(grid.tokens // size)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        keep, (a, b, c) = self.counts(grid)["encoder"], self._brick()
        bricks = uniform(batch, grid.t // a, grid.h // b, grid.w // c, generator=generator)
        # Ranks, so that the tokens of a brick tie with nothing but one another.
        rank = bricks.flatten(1).argsort(1).argsort(1).view_as(bricks)
        return by_sample(repeat(rank, "n t h w -> n (t a h b w c)", a=a, b=b, c=c), keep, grid)
