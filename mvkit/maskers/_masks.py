"""Masks: `hidden` is True where a token is hidden from the encoder.

A `TokenMask` has the same number of visible tokens in every row, so visible tokens are gathered by index into a dense
(B, V, D) tensor. Boolean indexing with a reshape would mix the tokens of different clips without an error as soon as
rows differ; rows that differ are refused here, when the mask is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mvkit.errors import MaskError, ShapeError
from mvkit.tokens import TokenGrid


class TokenMask:
    """Which tokens of each clip are hidden; rows hide equal counts.

    hidden: (B, N) bool, True = hidden from the encoder. visible_ids: (B, V) and hidden_ids: (B, M) long, ascending,
    V + M = N; V or M may be 0. aux: what the masker wants to show besides (scores, boxes, a flow), by name.
    Raises MaskError for rows that hide different counts, ShapeError where hidden does not fit the grid.
    """

    def __init__(self, hidden: Tensor, grid: TokenGrid, *, aux: Mapping[str, Tensor] | None = None) -> None:
        if hidden.ndim != 2 or hidden.dtype != torch.bool or hidden.shape[1] != grid.tokens:
            raise ShapeError(
                f"a mask on a {grid} must be bool (B, {grid.tokens}), got {hidden.dtype} {tuple(hidden.shape)}"
            )
        counts = hidden.sum(1)
        if len(hidden) and int(counts.min()) != int(counts.max()):
            least, most = int(counts.min()), int(counts.max())
            raise MaskError(
                f"every row must hide the same number of tokens, these hide {least} to {most}: "
                "choose a masker with exact counts, or balance the rows"
            )
        order = hidden.to(torch.uint8).sort(dim=1, stable=True).indices
        visible = grid.tokens - (int(counts[0]) if len(hidden) else 0)
        self._fill(hidden, order[:, :visible], order[:, visible:], grid, aux)

    @classmethod
    def from_visible(cls, ids: Tensor, grid: TokenGrid, *, aux: Mapping[str, Tensor] | None = None) -> TokenMask:
        """ids: (B, V) long, the visible tokens in any order, no repeats. Never waits for the device."""
        hidden = torch.ones(len(ids), grid.tokens, dtype=torch.bool, device=ids.device).scatter_(1, ids, False)
        order = hidden.to(torch.uint8).sort(dim=1, stable=True).indices
        mask = cls.__new__(cls)
        mask._fill(hidden, order[:, : ids.shape[1]], order[:, ids.shape[1] :], grid, aux)
        return mask

    def _fill(self, hidden: Tensor, visible_ids: Tensor, hidden_ids: Tensor, grid: TokenGrid, aux: Any) -> None:
        self.hidden, self.visible_ids, self.hidden_ids = hidden, visible_ids, hidden_ids
        self.grid, self.aux = grid, dict(aux or {})

    @property
    def roles(self) -> Mapping[str, TokenMask]:
        """A single mask has the one role `encoder`; a `MaskSet` has several."""
        return {"encoder": self}

    @property
    def primary(self) -> TokenMask:
        """The mask of the encoder that is trained: the mask itself."""
        return self

    def visible(self, tokens: Tensor) -> Tensor:
        """tokens: (B, N, ...) -> (B, V, ...), order kept."""
        return _take(tokens, self.visible_ids, self.grid)

    def hidden_part(self, tokens: Tensor) -> Tensor:
        """tokens: (B, N, ...) -> (B, M, ...), order kept."""
        return _take(tokens, self.hidden_ids, self.grid)

    def within(self, seen: Tensor, outer: TokenMask) -> Tensor:
        """seen: (B, V', ...), the visible tokens of a mask that shows at least what this one shows -> (B, V, ...)."""
        place = (~outer.hidden).cumsum(1) - 1
        ids = place.gather(1, self.visible_ids)
        return _rows(seen, ids)

    def scatter(self, visible: Tensor, hidden: Tensor | float = 0.0) -> Tensor:
        """Put parts back: visible (B, V, D) and hidden (B, M, D), or one number for all hidden -> (B, N, D)."""
        if visible.shape[:2] != self.visible_ids.shape:
            raise ShapeError(
                f"visible tokens must be {tuple(self.visible_ids.shape)} + (D,), got {tuple(visible.shape)}"
            )
        if isinstance(hidden, Tensor) and hidden.shape[:2] != self.hidden_ids.shape:
            raise ShapeError(f"hidden tokens must be {tuple(self.hidden_ids.shape)} + (D,), got {tuple(hidden.shape)}")
        rest = visible.shape[2:]
        if not isinstance(hidden, Tensor):
            hidden = visible.new_full((*self.hidden_ids.shape, *rest), hidden)
        both = torch.cat([visible, hidden.to(visible.dtype)], dim=1)
        ids = torch.cat([self.visible_ids, self.hidden_ids], dim=1)
        return torch.empty_like(both).scatter(1, _spread(ids, both), both)

    def volume(self) -> Tensor:
        """hidden as (B, t, h, w) bool."""
        return self.hidden.view(len(self.hidden), *self.grid.shape)

    def to(self, device: torch.device | str) -> TokenMask:
        mask = TokenMask.__new__(TokenMask)
        aux = {name: value.to(device) for name, value in self.aux.items()}
        ids = self.visible_ids.to(device), self.hidden_ids.to(device)
        mask._fill(self.hidden.to(device), *ids, self.grid, aux)
        return mask

    def __getitem__(self, rows: slice) -> TokenMask:
        """Some rows of the batch, as a mask."""
        mask = TokenMask.__new__(TokenMask)
        aux = {name: value[rows] for name, value in self.aux.items() if len(value) == len(self.hidden)}
        mask._fill(self.hidden[rows], self.visible_ids[rows], self.hidden_ids[rows], self.grid, aux)
        return mask

    def __len__(self) -> int:
        return len(self.hidden)

    def __repr__(self) -> str:
        batch, visible = self.visible_ids.shape
        return f"<TokenMask: {batch} clips on a {self.grid}, {visible} visible, {self.hidden_ids.shape[1]} hidden>"


class MaskSet(Mapping[str, TokenMask]):
    """Named masks of one composite masker, on one grid. The first name is the mask of the encoder that is trained."""

    def __init__(self, masks: Mapping[str, TokenMask]) -> None:
        if not masks:
            raise MaskError("a MaskSet needs at least one named mask")
        self._masks = dict(masks)

    @property
    def roles(self) -> Mapping[str, TokenMask]:
        return self._masks

    @property
    def primary(self) -> TokenMask:
        return next(iter(self._masks.values()))

    @property
    def grid(self) -> TokenGrid:
        return self.primary.grid

    def to(self, device: torch.device | str) -> MaskSet:
        return MaskSet({name: mask.to(device) for name, mask in self._masks.items()})

    def __getitem__(self, name: str) -> TokenMask:
        return self._masks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def __repr__(self) -> str:
        return f"MaskSet({self._masks!r})"


def _spread(ids: Tensor, like: Tensor) -> Tensor:
    """ids (B, K) -> (B, K, ...) so that it indexes dim 1 of `like`."""
    return ids.view(*ids.shape, *[1] * (like.ndim - 2)).expand(*ids.shape, *like.shape[2:])


def _take(tokens: Tensor, ids: Tensor, grid: TokenGrid) -> Tensor:
    if tokens.shape[:2] != (len(ids), grid.tokens):
        raise ShapeError(f"tokens must be ({len(ids)}, {grid.tokens}, ...) for a {grid}, got {tuple(tokens.shape)}")
    return _rows(tokens, ids)


def _rows(tokens: Tensor, ids: Tensor) -> Tensor:
    """Whole tokens by number: on a CPU 4 times as fast as `gather`, which looks up each of their values."""
    if tokens.stride(0) == 0:  # one table for all clips, as positions are
        return tokens[0].index_select(0, ids.flatten()).unflatten(0, ids.shape)
    first = torch.arange(len(ids), device=ids.device)[:, None] * tokens.shape[1]
    return tokens.flatten(0, 1).index_select(0, (first + ids).flatten()).unflatten(0, ids.shape)
