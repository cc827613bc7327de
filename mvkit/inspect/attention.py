"""Where a token looks, and what is looked at, laid out on the grid of the clip.

Weights come from the encoder (`encoder(clips, mask, heads=(6,)).attention(6)`): (B, heads, V, V), softmax rows over
the V visible tokens. Hidden tokens took no part; they are NaN here, never 0, because 0 would say "seen and ignored".
`query_keys` has the same maps without the V x V matrix, also of encoders with a class token and of image encoders, and
what a token receives from all others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mvkit.errors import MaskError, OptionError, ShapeError
from mvkit.maskers.base import TokenMask
from mvkit.maskers.motion import motion_map
from mvkit.tokens import TokenGrid


def query_attention(
    weights: Tensor,
    grid: TokenGrid,
    query: tuple[int, int, int],
    *,
    mask: TokenMask | None = None,
    heads: str | int = "mean",
    drop_self: bool = False,
) -> Tensor:
    """Attention of one token over the clip: (B, t, h, w), or (B, heads, t, h, w) for heads="all".

    weights: (B, heads, V, V). query: (t, y, x) on the grid. heads: as `fuse`. drop_self:
    leave the query's weight on itself out (NaN) and let the rest sum to 1. Rows sum to 1 over visible tokens.
    Raises MaskError if the query is hidden in some clip, ShapeError, OptionError.
    """
    count = grid.tokens if mask is None else mask.visible_ids.shape[1]
    if weights.ndim != 4 or weights.shape[-2:] != (count, count):
        raise ShapeError(
            f"attention must be (B, heads, {count}, {count}) on a {grid} {'without' if mask is None else 'under this'} "
            f"mask, got {tuple(weights.shape)}"
        )
    if mask is not None and (mask.grid != grid or len(mask) != len(weights)):
        raise ShapeError(f"{mask!r} does not belong to {len(weights)} clips on a {grid}")
    row = row_of(query, grid, mask, len(weights)).to(weights.device)
    picked = weights.float()[torch.arange(len(weights), device=weights.device), :, row]  # (B, heads, V)
    if drop_self:
        picked = without(picked, row)
    return on_grid(fuse(picked, heads), grid, mask)


def on_grid(values: Tensor, grid: TokenGrid, mask: TokenMask | None = None) -> Tensor:
    """values: (B, ..., V) of the visible tokens -> (B, ..., t, h, w) with NaN where hidden."""
    if mask is not None:
        ids = mask.visible_ids.view(len(values), *[1] * (values.ndim - 2), -1).expand_as(values)
        values = values.new_full((*values.shape[:-1], grid.tokens), torch.nan).scatter(-1, ids, values)
    return values.unflatten(-1, grid.shape)


def busiest_query(clips: Tensor, grid: TokenGrid, step: int | None = None) -> tuple[int, int, int]:
    """The token of a step (the middle one) whose pixels change most from frame to frame, as (t, y, x).

    clips: (B, 3, T, H, W); the first clip counts. Where nothing moves, the first token of the step.
    """
    step = grid.t // 2 if step is None else step
    return grid.place(step * grid.places + int(motion_map(clips[:1], grid)[0, step].argmax()))


def under(token: tuple[int, int, int], grid: TokenGrid, own: TokenGrid) -> tuple[int, int, int]:
    """The token of the grid `own` that holds the middle of one (t, y, x) of another over the same clip.

    Raises ShapeError for a token outside that one.
    """
    grid.index(*token)
    t, y, x = (int((at + 0.5) * size / side) for at, side, size in zip(token, grid.shape, own.shape, strict=True))
    return t, y, x


def holding(maps: Tensor, share: float = 0.6, *, per_step: bool = False) -> Tensor:
    """The fewest tokens that hold `share` of a map's attention: maps (B, ..., t, h, w) -> bool, False where hidden.

    per_step: of every step by itself, as an image encoder's class token wants; a step without attention keeps none.
    share: 0 to 1, 0 keeps none. Where weights are equal, earlier tokens go first. Paper: DINO, arXiv:2104.14294 (60 %
    of a class token's mass). Raises OptionError.
    """
    if not 0 <= share <= 1:
        raise OptionError(f"share of the attention to hold must lie in [0, 1], got {share}")
    flat = maps.double().nan_to_num(0.0).flatten(-2 if per_step else -3)
    order = flat.sort(dim=-1, descending=True, stable=True).indices
    ranked = flat.gather(-1, order)
    # A token is needed while those before it hold less than the share.
    before, total = ranked.cumsum(-1) - ranked, ranked.sum(-1, keepdim=True)
    needed = (before < share * total - 1e-12 * total) & (ranked > 0)
    return torch.zeros_like(needed).scatter(-1, order, needed).view(maps.shape)


def fuse(values: Tensor, heads: str | int) -> Tensor:
    """values: (B, heads, ...) -> (B, ...): the "mean", "min" or "max" of the heads, or one head by its number.

    "all" leaves them as they are. Raises OptionError.
    """
    if heads == "all":
        return values
    if heads == "mean":
        return values.mean(1)
    if heads in ("min", "max"):
        return values.amin(1) if heads == "min" else values.amax(1)
    if isinstance(heads, int) and 0 <= heads < values.shape[1]:
        return values[:, heads]
    raise OptionError(f"heads must be 'mean', 'min', 'max', 'all' or a number below {values.shape[1]}, got {heads!r}")


def row_of(query: tuple[int, int, int], grid: TokenGrid, mask: TokenMask | None, batch: int) -> Tensor:
    """The place of a token (t, y, x) among the visible ones of each clip: (batch,) long.

    Raises MaskError if it is hidden in some clip, ShapeError if it lies outside the grid.
    """
    token = grid.index(*query)
    if mask is None:
        return torch.full((batch,), token)
    if bool(mask.hidden[:, token].any()):
        clip = int(mask.hidden[:, token].int().argmax())
        seen = grid.place(int(mask.visible_ids[clip, 0])) if mask.visible_ids.shape[1] else "none"
        raise MaskError(f"query {query} is hidden in clip {clip}: choose a visible token, its first is {seen}")
    return (mask.visible_ids < token).sum(1)


def without(weights: Tensor, row: Tensor) -> Tensor:
    """weights: (B, ..., V), row: (B,) -> NaN at that token, the rest sums to 1."""
    itself = torch.arange(weights.shape[-1], device=row.device) == row[:, None]  # (B, V)
    left = weights.masked_fill(itself.view(len(row), *[1] * (weights.ndim - 2), -1), torch.nan)
    return left / left.nansum(-1, keepdim=True)
