"""Attention followed through several blocks: which tokens of the first one reach a token after the last.

Each block is taken as `(1 - residual) * A + residual * I`, heads fused, rows brought back to a sum of 1, and the blocks
are multiplied. Only the asked row is carried from block to block, so no N x N matrix is ever held. Paper: attention
rollout, arXiv:2005.00928 (mean of the heads, residual 0.5); min and max of the heads are common variants.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.attention import fuse, row_of
from mvkit.inspect.query_keys import QueryKeys


def rollout(
    blocks: Mapping[int, QueryKeys],
    query: tuple[int, int, int] | str | None = None,
    *,
    fusion: str = "mean",
    residual: float = 0.5,
) -> Tensor:
    """Share of every input token in a token after the last block: (B, t, h, w), NaN where hidden or not in view.

    blocks: number -> queries and keys, of consecutive blocks; all of them, from 1 on, for rollout as published. query:
    (t, y, x); "class"; or None for the mean over all tokens. fusion: "mean", "min" or "max" of the heads. residual: the
    share that skips a block, 0 to 1. Sums to 1, less what ends in a class token; image encoders as in
    `QueryKeys.class_map`. Raises OptionError, MaskError if the query is hidden, ShapeError.
    """
    numbers = sorted(blocks)
    if not numbers or numbers != list(range(numbers[0], numbers[-1] + 1)):
        raise OptionError(f"rollout multiplies consecutive blocks, got {numbers}: keep those between as well")
    if fusion not in ("mean", "min", "max") or not 0 <= residual <= 1:
        raise OptionError(f"fusion must be mean, min or max and residual in [0, 1], got {fusion!r} and {residual!r}")
    last = blocks[numbers[-1]]
    if isinstance(query, tuple):
        last.grid.index(*query)
        step, t = divmod(query[0], last.view.t)
        views = {number: block.of_view(step) for number, block in blocks.items()}
        last = views[numbers[-1]]
        row = row_of((t, *query[1:]), last.view, last.mask, len(last.keys)).to(last.keys.device)
        share = _carried(views, last.prefix + row, fusion, residual)
        return blocks[numbers[-1]].among_views(last.on_clip(share), step)
    if query not in (None, "class"):
        raise OptionError(f"query must be (t, y, x), 'class' or None, got {query!r}")
    if query == "class":
        last.need_class_token()
        row = torch.zeros(len(last.keys), dtype=torch.long, device=last.keys.device)
    else:
        row = None
    return last.on_clip(_carried(blocks, row, fusion, residual)) / last.steps


def _carried(blocks: Mapping[int, QueryKeys], row: Tensor | None, fusion: str, residual: float) -> Tensor:
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
        onward = torch.zeros_like(share)
        for part, rows in blocks[number].rows():
            fused = (1 - residual) * fuse(rows, fusion)  # (G, rows, K)
            total = fused.sum(-1) + residual
            onward += torch.einsum("gr,grk->gk", share[:, part] / total, fused)
            onward[:, part] += residual * share[:, part] / total
        share = onward
    return share[:, last.prefix :]
