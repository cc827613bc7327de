"""Block masking: a few rectangles of the plane are hidden, through all steps or through a stretch of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from mvkit.maskers._boxes import exposed, level, log_uniform, place, rolled, sides
from mvkit.maskers._greedy import grow
from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import balanced, by_sample, pick, refuse_unless, uniform
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid

TRIES = 10  # misses in a row after which the published drawing gives up


@dataclass(frozen=True)
class BlockMasker(RatioMasker):
    """Hides `ratio` of the h*w places under `blocks` rectangles, in the steps that the span covers.

    Each block has an area drawn around the share that makes the union come to the ratio, and a height / width drawn
    on a log scale up to 1 / 0.3; borders then grow or erode until the count is exact.
    span < 1: the mask covers a circular run of steps, the others are visible in full. Its length is the mean of
    floor(span*t) and t, floored, and its start is random.
    faithful: BEiT's drawing, which tries rectangles of at least `min_area` tokens until the budget is met and often
    stops below it, in BEVT's span of random length from floor(span*t) to t. Its rows hide unequal counts
    (`aux["published"]`), and are then balanced by hiding or revealing random tokens, to the same count as above.
    Papers: BEiT, arXiv:2106.08254; BEVT, arXiv:2112.01529 (ratio 0.5, span 0.5).
    """

    title: ClassVar[str] = "Block"
    paper: ClassVar[str] = "BEiT, arXiv:2106.08254"
    aliases: ClassVar[tuple[str, ...]] = ("beit", "bevt")

    ratio: float = option(0.5, "share of the places hidden, in the steps the span covers", low=0, high=1)
    blocks: int = option(3, "rectangles of a clip (exact drawing only)", low=1, high=64)
    aspect: float = option(1 / 0.3, "largest height / width, and width / height, of a rectangle", low=1, high=10)
    span: float = option(1.0, "least share of the steps the mask covers", low=0, high=1)
    roll: bool = option(False, "shift the plane around the edges at random, so that no place is favoured")
    faithful: bool = option(False, "the published drawing, then balanced at random")
    min_area: int = option(16, "least tokens of a rectangle (faithful only)", low=1)

    def _length(self, grid: TokenGrid) -> int:
        return (self._shortest(grid) + grid.t) // 2

    def _shortest(self, grid: TokenGrid) -> int:
        return max(1, int(grid.t * self.span + 1e-6))

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        largest = (grid.h - 1) * (grid.w - 1)
        refuse_unless(
            not self.faithful or largest >= self.min_area,
            f"the published rectangles have {self.min_area} tokens or more and are smaller than the plane, "
            f"where at most {largest} fit: lower min_area or use faithful=False",
        )
        hidden = grid.places - self.visible_of(grid.places)
        return {"encoder": grid.tokens - hidden * self._length(grid)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        keep, plane = self.counts(grid)["encoder"], grid.shape[1:]
        hidden = grid.places - self.visible_of(grid.places)
        if self.faithful:
            places = grow(plane, batch, hidden, TRIES, partial(self._propose, generator), generator)
            spare = grid.t - self._shortest(grid) + 1
            length = self._shortest(grid) + (uniform(batch, 1, generator=generator) * spare).long()
            published = (places.flatten(1)[:, None] & self._run(length, grid, generator)[:, :, None]).flatten(1)
            return balanced(published, keep, grid, generator, published=published)
        score = exposed(self._field(grid, batch, generator), generator)
        if self.roll:
            score = rolled(score, *plane, generator)
        places = torch.zeros_like(score, dtype=torch.bool).scatter_(1, pick(-score, hidden), True)
        run = self._run(torch.full((batch, 1), self._length(grid), device=score.device), grid, generator)
        return by_sample((~(places[:, None] & run[:, :, None])).flatten(1).float(), keep, grid)

    def _field(self, grid: TokenGrid, batch: int, generator: torch.Generator) -> Tensor:
        # n boxes of area a, put down independently, leave (1 - a)^n uncovered.
        share = 1 - (1 - min(self.share_of(grid.places), 0.99)) ** (1 / self.blocks)
        area = grid.places * share * (0.5 + uniform(batch, self.blocks, generator=generator))
        size = sides(area, log_uniform(self.aspect, batch, self.blocks, generator=generator), grid.h, grid.w)
        return level(place(size, grid.shape[1:], generator), size, grid.shape[1:])

    def _propose(self, generator: torch.Generator, left: Tensor) -> Tensor:
        area = self.min_area + (left - self.min_area) * uniform(len(left), generator=generator)
        aspect = log_uniform(self.aspect, len(left), generator=generator)
        return torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=-1).round()

    def _run(self, length: Tensor, grid: TokenGrid, generator: torch.Generator) -> Tensor:
        """(B, t) bool, True in a circular run of `length` (B, 1) steps that starts anywhere."""
        start = (uniform(len(length), 1, generator=generator) * grid.t).long()
        return (torch.arange(grid.t, device=length.device) - start) % grid.t < length
