"""Masks of several processes: each draws those of the whole batch and takes its own rows.

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

from mvkit.losses.contrastive import gathered
from mvkit.maskers.base import MaskContext, Masker, MaskSet, TokenMask
from mvkit.methods.base import Method
from mvkit.tokens import TokenGrid
from mvkit.train.parallel import Team
from mvkit.train.seed import derive


@contextmanager
def shared(method: Method, team: Team, files: int) -> Iterator[None]:
    """While it is open, the method's maskers draw for all processes. files: of this process in the batch at hand."""
    found = {name: value for name, value in vars(method).items() if isinstance(value, Masker)}
    if team.world == 1:
        found = {}
    for name, masker in found.items():
        setattr(method, name, SharedMasker(masker, team, files))
    try:
        yield
    finally:
        for name, masker in found.items():
            setattr(method, name, masker)


@dataclass(frozen=True)
class SharedMasker:
    """A masker as one of several processes calls it; all else is the masker's own."""

    masker: Masker
    team: Team
    files: int

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
            own = torch.Generator(generator.device).manual_seed(derive(drawn, self.team.rank))
            return self.masker(grid, batch, generator=own, context=context)
        seen = {name: self._whole(getattr(context, name)) for name in needs}
        kept = MaskContext(progress=context.progress) if context else MaskContext()
        masks = self.masker(grid, batch * self.team.world, generator=generator, context=replace(kept, **seen))
        rows = self._rows(batch)
        if isinstance(masks, MaskSet):
            return MaskSet({role: _take(mask, rows) for role, mask in masks.items()})
        return _take(masks, rows)

    def _rows(self, batch: int) -> Tensor:
        """Which rows of the whole batch are this process's: file k of rank r is file k * world + r of all."""
        each = torch.arange(batch * self.team.world).view(self.files, self.team.world, batch // self.files)
        return each[:, self.team.rank].flatten()

    def _whole(self, own: Tensor) -> Tensor:
        """(B, ...) of this process -> (W * B, ...) in the order of the whole batch."""
        parts = gathered(own.detach()).unflatten(0, (self.team.world, self.files, len(own) // self.files))
        return parts.transpose(0, 1).flatten(0, 2)


def _take(mask: TokenMask, rows: Tensor) -> TokenMask:
    return mask[rows.to(mask.hidden.device)]  # type: ignore[index]
