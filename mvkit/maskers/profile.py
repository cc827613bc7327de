"""Profile masking: each step has its own ratio, so the past can be rich and the future thin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.maskers._ratio import count_visible, rounding_option
from mvkit.maskers._select import uniform
from mvkit.maskers.base import MaskContext, Masker, TokenMask, option
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class ProfileMasker(Masker):
    """Hides a share of each step's places that goes from `first` to `last` over the clip.

    linear: visible counts fall (or rise) evenly from the first step to the last. symmetric: `first` in the middle,
    `last` at both ends. switch: the first `switch` share of the steps has `first`, the others `last`, so
    first=0, last=1 sees a prefix and predicts the future (MaskAgain, causal V-JEPA, SiamMAE).
    nested: one ranking of the places for all steps, so visible sets contain one another; else drawn per step.
    Paper: AMD, arXiv:2311.03149 (progressive). Differs: its code keeps one token fewer per step than it plans, and
    not what it declares (1339 hidden of 1568, its masks hide 1347); `faithful` does the same.
    """

    title: ClassVar[str] = "Progressive"
    paper: ClassVar[str] = "AMD, arXiv:2311.03149"
    exact: ClassVar[str] = "step"
    aliases: ClassVar[tuple[str, ...]] = ("progressive",)

    first: float = option(0.75, "share hidden in the first step", low=0, high=1)
    last: float = option(0.95, "share hidden in the last step", low=0, high=1)
    curve: str = option("linear", "how the share changes over the steps", choices=("linear", "symmetric", "switch"))
    switch: float = option(0.25, "share of the steps before the change (curve 'switch' only)", low=0, high=1)
    nested: bool = option(True, "one ranking of the places for all steps")
    rounding: str = rounding_option()
    faithful: bool = option(False, "one visible token fewer per step, as in AMD's code")

    def per_step(self, grid: TokenGrid) -> list[int]:
        """Visible tokens of each step."""
        first, last = (count_visible(grid.places, ratio, self.rounding) for ratio in (self.first, self.last))
        if self.curve == "switch":
            early = int(grid.t * self.switch + 1e-6)
            keep = [first] * early + [last] * (grid.t - early)
        else:
            span = grid.t - 1
            way = range(grid.t) if self.curve == "linear" else [abs(2 * k - span) for k in range(grid.t)]
            # Whole-number arithmetic: the count is floored exactly, whatever the platform's floats do.
            keep = [first + ((last - first) * k) // span if span else first for k in way]
        return [max(0, k - self.faithful) for k in keep]

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        return {"encoder": sum(self.per_step(grid))}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        steps = 1 if self.nested else grid.t
        order = uniform(batch, steps, grid.places, generator=generator).argsort(-1).expand(-1, grid.t, -1)
        ids = [order[:, k, :keep] + k * grid.places for k, keep in enumerate(self.per_step(grid))]
        return TokenMask.from_visible(torch.cat(ids, dim=1), grid)
