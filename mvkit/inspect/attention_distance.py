"""How far heads look, in pixels and in seconds, and how widely: one number for each layer, clip and head.

Space and time are kept apart. Only tokens with a place count: what a class token gets is left out and each row brought
back to a sum of 1. Hidden tokens took no part. Every number stands beside what uniform attention over the same tokens
would give, since a masked or short clip brings all tokens nearer. Paper of the distance: ViT, arXiv:2010.11929;
per head and layer: arXiv:2108.08810. Differs: theirs is for images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mvkit.errors import OptionError
from mvkit.inspect.query_keys import QueryKeys
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class Reach:
    """How far and how widely, and the same of uniform attention over the same tokens.

    space: pixels, the time between two tokens ignored. time: seconds, their places ignored. entropy: of a row, as a
    share of that of uniform attention, 0 (one token) to 1; NaN where one token is visible. other_steps: the share of
    attention that leaves the query's own step, 0 to 1. uniform_*: (B,), the same of uniform attention; unmasked,
    uniform_other_steps is (t-1)/t. An image encoder never leaves its step: its time and other_steps are 0.
    """

    space: Tensor
    time: Tensor
    entropy: Tensor
    other_steps: Tensor
    uniform_space: Tensor
    uniform_time: Tensor
    uniform_other_steps: Tensor


@dataclass(frozen=True)
class AttentionDistance(Reach):
    """Means over the queries of a clip, each (L, B, heads); L blocks in the order of `blocks`."""

    blocks: tuple[int, ...]


@torch.no_grad()
def attention_distance(
    blocks: Mapping[int, QueryKeys], *, patch: int, tubelet: int = 1, stride: int = 1, fps: float
) -> AttentionDistance:
    """blocks: number -> queries and keys of a block. patch: pixels of a token's side. tubelet: frames of a token.
    stride: source frames from one frame of the clip to the next. fps: source frames a second. Raises OptionError.
    """
    if not blocks or min(patch, tubelet, stride, fps) <= 0:
        raise OptionError(
            f"distances need a block and patch, tubelet, stride and fps above 0, got {len(blocks)} blocks, "
            f"{patch}, {tubelet}, {stride} and {fps}"
        )
    scale = {"space": float(patch), "time": tubelet * stride / fps}
    numbers = tuple(sorted(blocks))
    found = torch.stack([_of_block(blocks[number], scale) for number in numbers])  # (L, 4, B, heads + 1)
    space, time, other, entropy = found[..., :-1].unbind(1)
    uniform = found[0, :, :, -1]
    return AttentionDistance(space, time, entropy, other, uniform[0], uniform[1], uniform[2], blocks=numbers)


def row_reach(maps: Tensor, query: tuple[int, int, int] | None, *, patch: float, step: float) -> Reach:
    """How far and how widely one map looks, each (B,); without a query the entropy alone, the others NaN.

    maps: (B, t, h, w) >= 0, NaN where hidden or not in view; they need not sum to 1.
    query: (t, y, x) that asks, None for a class token or a mean over queries. patch: pixels of a token's side. step:
    seconds from one step to the next. Raises ShapeError for a query outside the maps.
    """
    grid = TokenGrid(*maps.shape[1:])
    flat = maps.double().flatten(1)
    seen = flat.isfinite()
    count = seen.sum(1)
    share = flat.nan_to_num(0.0) / flat.nansum(1, keepdim=True)
    even = seen / count[:, None]
    entropy = torch.special.entr(share).sum(1) / count.double().log().where(count > 1, torch.nan)
    if query is None:
        nowhere = torch.full_like(entropy, torch.nan)
        return Reach(nowhere, nowhere, entropy, *[nowhere] * 4)
    grid.index(*query)
    t, y, x = (torch.arange(size, device=maps.device) for size in grid.shape)
    apart = torch.stack(torch.meshgrid(t - query[0], y - query[1], x - query[2], indexing="ij")).flatten(1).double()
    far = torch.stack([apart[1:].norm(dim=0) * patch, apart[0].abs() * step, (apart[0] != 0).double()])
    of_map, uniform = far @ share.T, far @ even.double().T
    return Reach(of_map[0], of_map[1], entropy, of_map[2], *uniform)


def _of_block(block: QueryKeys, scale: Mapping[str, float]) -> Tensor:
    """(4, B, heads + 1): space, time, other steps, entropy; uniform attention as the last head."""
    places = _places(block).to(block.keys.device)  # (G or 1, V, 3)
    groups, count = len(block.keys), places.shape[1]
    # float64: the 2.5 million products of an 8x14x14 clip summed in float32 are off by 2e-5 of the sum.
    total = block.keys.new_zeros(4, groups, block.keys.shape[1] + 1, dtype=torch.float64)
    for part, rows in block.rows(block.prefix):
        seen = rows[..., block.prefix :]
        seen = seen / seen.sum(-1, keepdim=True)
        seen = torch.cat([seen, torch.full_like(seen[:, :1], 1 / count)], dim=1)  # (G, heads + 1, rows, V)
        asked = places[:, part.start - block.prefix : part.stop - block.prefix]
        apart = torch.cdist(asked[..., 1:], places[..., 1:], compute_mode="donot_use_mm_for_euclid_dist")
        steps = (asked[..., None, 0] - places[:, None, :, 0]).abs()  # (G or 1, rows, V)
        for number, far in enumerate((apart * scale["space"], steps * scale["time"], (steps > 0).float())):
            total[number] += torch.einsum("ghqv,gqv->ghq", seen, far.expand(groups, -1, -1)).double().sum(-1)
        total[3] += torch.special.entr(seen).sum(-1).double().sum(-1) / (math.log(count) if count > 1 else math.nan)
    return (total / count).unflatten(1, (-1, block.steps)).mean(2).float()


def _places(block: QueryKeys) -> Tensor:
    """(t, y, x) of the visible tokens of a view: (B, V, 3), or (1, V, 3) where all are visible."""
    t, h, w = block.view.shape
    axes = torch.meshgrid(torch.arange(t), torch.arange(h), torch.arange(w), indexing="ij")
    every = torch.stack(axes, dim=-1).flatten(0, 2).float()
    return every[None] if block.mask is None else every.to(block.mask.visible_ids.device)[block.mask.visible_ids]
