"""Multi-block masking: a clip seen through several contexts, each the complement of a few large full-depth blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

from mvkit.errors import MaskError
from mvkit.maskers._boxes import exposed, level, place, rolled, sides
from mvkit.maskers._select import balanced, by_column, uniform
from mvkit.maskers.base import MaskContext, Masker, MaskSet, TokenMask, option
from mvkit.tokens import TokenGrid


@cache
def expected_union(blocks: int, scale: float, low: float, high: float, grid: TokenGrid) -> float:
    """Share of the plane that `blocks` boxes of one size cover on average, put down evenly and independently.

    scale: share of the plane of one box; low, high: the range its height / width is drawn from, evenly.
    """
    sizes = sizes_of(scale, low, high, grid)
    total = 0.0
    for h, w in sizes:
        rows, columns = (_covered(n, size) for n, size in ((grid.h, h), (grid.w, w)))
        total += float((1 - (1 - rows[:, None] * columns) ** blocks).mean()) / len(sizes)
    return total


@cache
def sizes_of(scale: float, low: float, high: float, grid: TokenGrid) -> list[list[int]]:
    """Height and width of the published boxes for 64 aspects spread evenly from low to high."""
    return whole_sides(scale, low + (high - low) * (torch.arange(64) + 0.5) / 64, grid).long().tolist()


def whole_sides(scale: float, ratios: Tensor, grid: TokenGrid) -> Tensor:
    """Height and width in whole tokens of the published boxes. ratios: (...) -> (..., 2)."""
    area = torch.full_like(ratios, scale * grid.places).floor()
    return sides(area, ratios, grid.h, grid.w).round().clamp_min(1)


def _covered(length: int, size: int) -> Tensor:
    """Probability that a stretch of `size`, put down evenly on an axis, covers each of its `length` tokens."""
    starts, x = torch.arange(length - size + 1)[:, None], torch.arange(length)
    return ((starts <= x) & (x < starts + size)).double().mean(0)


@dataclass(frozen=True)
class MultiBlockMasker(Masker):
    """Two views of each clip; roles short, short_target, long, long_target (a role's visible tokens are what it gets).

    short hides about 62 % under 8 blocks of 15 % of the plane, long about 81 % under 2 blocks of 70 %, all steps
    alike. Counts are the expected union of the blocks, held exactly by growing or eroding their borders.
    faithful: the published boxes, one size for the whole batch. Their unions differ from clip to clip; balance
    "raster" cuts each list of context and target tokens to the batch's shortest in raster order, as published: this
    throws away the last steps (74 context tokens of step 0 and 3.5 of step 7 at 8x14x14, short, batch 25), counts
    depend on the draw, and some tokens are in neither list. "random" hides or reveals at random to the exact counts.
    Paper: V-JEPA, arXiv:2404.08471; V-JEPA 2, arXiv:2506.09985.
    """

    title: ClassVar[str] = "Multi-block"
    paper: ClassVar[str] = "V-JEPA, arXiv:2404.08471"
    aliases: ClassVar[tuple[str, ...]] = ("multiblock", "vjepa")

    short_blocks: int = option(8, "blocks hidden from the short view", low=1)
    short_scale: float = option(0.15, "share of the plane of one block, short view", low=0, high=1)
    long_blocks: int = option(2, "blocks hidden from the long view", low=1)
    long_scale: float = option(0.7, "share of the plane of one block, long view", low=0, high=1)
    flattest: float = option(0.75, "smallest height / width of a block", low=0.1, high=1)
    tallest: float = option(1.5, "largest height / width of a block", low=1, high=10)
    view: str = option("both", "which views to draw", choices=("both", "short", "long"))
    roll: bool = option(False, "shift the plane around the edges at random, so that no place is favoured")
    faithful: bool = option(False, "the published boxes with unequal unions, then balanced")
    balance: str = option("raster", "how faithful masks are made equal", choices=("raster", "random"))

    def _views(self) -> dict[str, tuple[int, float]]:
        views = {"short": (self.short_blocks, self.short_scale), "long": (self.long_blocks, self.long_scale)}
        return views if self.view == "both" else {self.view: views[self.view]}

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        views = self._views().items()
        if self.faithful and any(
            list(grid.shape[1:]) in sizes_of(scale, self.flattest, self.tallest, grid) for _, (_, scale) in views
        ):
            raise MaskError("one published block may cover the whole plane and leave no context: use faithful=False")
        if self.faithful and self.balance == "raster":
            raise MaskError("lists cut to the shortest have no count before they are drawn: use balance='random'")
        counts = {}
        for name, (blocks, scale) in views:
            hidden = round(grid.places * expected_union(blocks, scale, self.flattest, self.tallest, grid))
            counts |= {name: grid.t * (grid.places - hidden), f"{name}_target": grid.t * hidden}
        return counts

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> MaskSet:
        masks: dict[str, TokenMask] = {}
        for name, (blocks, scale) in self._views().items():
            rows = (1, 1) if self.faithful else (batch, blocks)
            ratios = self.flattest + (self.tallest - self.flattest) * uniform(*rows, generator=generator)
            if self.faithful:
                size = whole_sides(scale, ratios, grid).expand(batch, blocks, 2)
                masks |= self._balanced(name, self._published(size, grid, generator), grid, generator)
                continue
            size = sides(torch.full_like(ratios, scale * grid.places), ratios, grid.h, grid.w)
            score = exposed(level(place(size, grid.shape[1:], generator), size, grid.shape[1:]), generator)
            if self.roll:
                score = rolled(score, grid.h, grid.w, generator)
            masks[name] = by_column(score, self.counts(grid)[name] // grid.t, grid)
            masks[f"{name}_target"] = TokenMask.from_visible(masks[name].hidden_ids, grid)
        return MaskSet(masks)

    def _published(self, size: Tensor, grid: TokenGrid, generator: torch.Generator) -> Tensor:
        """Unions of the boxes, (B, t*h*w) bool; a clip left without context is drawn again."""
        hidden = torch.ones(len(size), grid.places, dtype=torch.bool, device=size.device)
        for _ in range(20):
            low = place(size, grid.shape[1:], generator, whole=True)
            field = level(low, size, grid.shape[1:]).flatten(1)
            hidden = torch.where(hidden.all(1, keepdim=True), field > 0, hidden)
            if not bool(hidden.all(1).any()):
                return hidden.repeat(1, grid.t)
        raise MaskError("blocks cover the whole plane and leave no context: use smaller or fewer blocks")

    def _balanced(self, name: str, hidden: Tensor, grid: TokenGrid, generator: torch.Generator) -> dict[str, TokenMask]:
        aux = {"published": hidden}
        if self.balance == "random":
            context = balanced(hidden, self.counts(grid)[name], grid, generator, **aux)
            return {name: context, f"{name}_target": TokenMask.from_visible(context.hidden_ids, grid, aux=aux)}
        targets = hidden.sum(1)
        raster = hidden.to(torch.uint8).sort(dim=1, stable=True).indices
        context = raster[:, : grid.tokens - int(targets.max())]
        first = (grid.tokens - targets)[:, None] + torch.arange(int(targets.min()), device=hidden.device)
        return {
            name: TokenMask.from_visible(context, grid, aux=aux),
            f"{name}_target": TokenMask.from_visible(raster.gather(1, first), grid, aux=aux),
        }
