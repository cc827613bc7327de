"""Attention followed through several blocks: which tokens of the first one reach a token after the last.

Each block is taken as `(1 - residual) * A + residual * I`, heads fused, rows brought back to a sum of 1, and the blocks
are multiplied. Only the asked row is carried from block to block, so no N x N matrix is held unless `kept` asks for
it. Paper: attention rollout, arXiv:2005.00928 (mean of the heads, residual 0.5). Common variants: min or max of the
heads, and weak weights discarded; here the weakest of every row are, elsewhere often those of the whole matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.attention import fuse, row_of
from mvkit.inspect.query_keys import QueryKeys

Rows = Iterable[tuple[slice, Tensor]]
Kept = dict[Any, list[tuple[slice, Tensor]]]


def rollout(
    blocks: Mapping[int, QueryKeys],
    query: tuple[int, int, int] | str | None = None,
    *,
    fusion: str = "mean",
    residual: float = 0.5,
    discard: float = 0.0,
    kept: Kept | None = None,
) -> Tensor:
    """Share of every input token in a token after the last block: (B, t, h, w), NaN where hidden or not in view.

    blocks: number -> queries and keys, of consecutive blocks; all of them, from 1 on, for rollout as published. query:
    (t, y, x); "class"; or None for the mean over all tokens. fusion: "mean", "min" or "max" of the heads. residual: the
    share that skips a block, 0 to 1. discard: share of the weights of each row, the weakest, set to 0, below 1. kept: a
    dict of the caller's, filled with the matrices and read by later calls on the same blocks with the same options:
    another query then costs one product a block. Sums to 1, less what ends in a class token; image encoders as in
    `QueryKeys.class_map`. Raises OptionError, MaskError if the query is hidden, ShapeError.
    """
    numbers = sorted(blocks)
    if not numbers or numbers != list(range(numbers[0], numbers[-1] + 1)):
        raise OptionError(f"rollout multiplies consecutive blocks, got {numbers}: keep those between as well")
    if fusion not in ("mean", "min", "max") or not 0 <= residual <= 1 or not 0 <= discard < 1:
        raise OptionError(
            f"fusion must be mean, min or max, residual in [0, 1] and discard in [0, 1), got {fusion!r}, {residual!r} "
            f"and {discard!r}"
        )
    mix = partial(_mixed, fusion=fusion, residual=residual, discard=discard)
    last = blocks[numbers[-1]]
    if isinstance(query, tuple):
        last.grid.index(*query)
        step, t = divmod(query[0], last.view.t)
        views = {number: block.of_view(step) for number, block in blocks.items()}
        last = views[numbers[-1]]
        row = row_of((t, *query[1:]), last.view, last.mask, len(last.keys)).to(last.keys.device)
        # An encoder that sees the clip whole has one view: all queries share its matrices.
        seen = None if last.grid == blocks[numbers[-1]].grid else step
        share = _carried(views, last.prefix + row, mix, kept, seen)
        return blocks[numbers[-1]].among_views(last.on_clip(share), step)
    if query not in (None, "class"):
        raise OptionError(f"query must be (t, y, x), 'class' or None, got {query!r}")
    if query == "class":
        last.need_class_token()
        row = torch.zeros(len(last.keys), dtype=torch.long, device=last.keys.device)
    else:
        row = None
    return last.on_clip(_carried(blocks, row, mix, kept, None)) / last.steps


def _carried(
    blocks: Mapping[int, QueryKeys],
    row: Tensor | None,
    mix: Callable[[QueryKeys], Rows],
    kept: Kept | None,
    view: int | None,
) -> Tensor:
    """row: (G,) among the K tokens, or None for the mean of the V with a place -> (G, V), through all blocks."""
    last = blocks[max(blocks)]
    groups, _, count, _ = last.keys.shape
    share = last.keys.new_zeros(groups, count)
    if row is None:
        share[:, last.prefix :] = 1 / max(1, count - last.prefix)
    else:
        share[torch.arange(groups, device=row.device), row] = 1
    for number in sorted(blocks, reverse=True):
        if blocks[number].keys.shape[::2] != last.keys.shape[::2]:
            raise ShapeError(f"block {number} is of other clips or tokens than block {max(blocks)}")
        rows: Rows = mix(blocks[number])
        if kept is not None:
            rows = kept.get((number, view)) or kept.setdefault((number, view), list(rows))
        share = sum(
            (torch.einsum("gr,grk->gk", share[:, part], mixed) for part, mixed in rows), torch.zeros_like(share)
        )
    return share[:, last.prefix :]


def _mixed(block: QueryKeys, fusion: str, residual: float, discard: float) -> Iterator[tuple[slice, Tensor]]:
    """The matrix of a block, some rows at a time: their places among the K, (G, rows, K), each row with sum 1."""
    for part, rows in block.rows():
        fused = fuse(rows, fusion)  # (G, rows, K)
        if weakest := int(discard * fused.shape[-1]):
            fused = fused.scatter(-1, fused.topk(weakest, dim=-1, largest=False).indices, 0)
        mixed = (1 - residual) * fused
        itself = torch.arange(part.start, part.stop, device=mixed.device)
        mixed[:, itself - part.start, itself] += residual
        yield part, mixed / mixed.sum(-1, keepdim=True)
