"""Draws of several processes: each draws for the whole batch and takes its own rows, masks and all else alike.

So the masks of a clip depend on (seed, step) and its place in the batch, not on how many processes there are, and any
strategy works, also one that balances its rows or draws them one after the other. What the strategy looks at is
gathered if it is small (attention). Clips are not: a strategy that looks at pixels draws its own rows only, from
(seed, step, rank), and its masks change with the number of processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mvkit.maskers.base import MaskContext, Masker, MaskSet, TokenMask
from mvkit.methods._share import Share
from mvkit.methods.base import Method
from mvkit.tokens import TokenGrid
from mvkit.train.parallel import Team
from mvkit.train.seed import derive


@contextmanager
def shared(method: Method, team: Team, files: int) -> Iterator[None]:
    """While it is open, the method and its maskers draw for all processes. files: of this one in the batch at hand."""
    if team.world == 1:
        yield
        return
    share = Share(team.rank, team.world, files)
    found = {name: value for name, value in vars(method).items() if isinstance(value, Masker)}
    changed = {"share": share} | {name: SharedMasker(masker, share) for name, masker in found.items()}
    for name, value in changed.items():
        setattr(method, name, value)
    try:
        yield
    finally:
        for name, value in ({"share": Share()} | found).items():
            setattr(method, name, value)


@dataclass(frozen=True)
class SharedMasker:
    """A masker as one of several processes calls it; all else is the masker's own."""

    masker: Masker
    share: Share

    def __getattr__(self, name: str) -> Any:
        return getattr(self.masker, name)

    def __call__(
        self, grid: TokenGrid, batch: int, *, generator: torch.Generator, context: MaskContext | None = None
    ) -> TokenMask | MaskSet:
        """batch: rows of this process, the same number for each file."""
        needs = self.masker.needs
        if "video" in needs or "features" in needs:
            # One draw from the common generator, so that it stays the same everywhere.
            drawn = int(torch.randint(2**62, (), generator=generator, device=generator.device))
            own = torch.Generator(generator.device).manual_seed(derive(drawn, self.share.rank))
            return self.masker(grid, batch, generator=own, context=context)
        seen = {name: self.share.whole(getattr(context, name).detach()) for name in needs}
        kept = MaskContext(progress=context.progress) if context else MaskContext()
        masks = self.masker(grid, batch * self.share.world, generator=generator, context=replace(kept, **seen))
        rows = self.share.own(torch.arange(batch * self.share.world))
        if isinstance(masks, MaskSet):
            return MaskSet({role: _take(mask, rows) for role, mask in masks.items()})
        return _take(masks, rows)


def _take(mask: TokenMask, rows: Tensor) -> TokenMask:
    return mask[rows.to(mask.hidden.device)]  # type: ignore[index]
