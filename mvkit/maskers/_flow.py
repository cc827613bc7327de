"""Flow on the token grid: turning it round, and estimating it from pixels.

A flow is (B, t-1, h, w, 2): the (x, y) displacement in tokens from step k to k+1, at the token of step k.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from mvkit.tokens import TokenGrid

REACH = 2  # tokens: the largest displacement per step, along each axis, that is searched


def backward_flow(flow: Tensor, *, wrap: bool = False) -> tuple[Tensor, Tensor]:
    """The flow from step k+1 back to k, at the token of step k+1, and where it is known.

    Each token hands its flow to the token it lands on; where several land, the fastest wins, because what moves
    usually passes in front. Tokens that nothing lands on were covered or outside before: known is False and flow 0.
    flow: (B, t-1, h, w, 2) -> (B, t-1, h, w, 2), (B, t-1, h, w) bool.
    """
    batch, steps, h, w, _ = flow.shape
    y = torch.arange(h, device=flow.device)[:, None] + flow[..., 1].round().long()
    x = torch.arange(w, device=flow.device) + flow[..., 0].round().long()
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    target = (y % h * w + x % w).flatten(2)
    if not wrap:
        target = torch.where(inside.flatten(2), target, h * w)  # a spare place takes what leaves the plane
    flat = flow.flatten(2, 3)
    # Fastest first in a stable order of speed, ties by place: the winner does not depend on the device.
    order = flat.norm(dim=-1).argsort(dim=-1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(2, order, torch.arange(h * w, device=flow.device).expand_as(order))
    best = torch.full((batch, steps, h * w + 1), h * w, device=flow.device)
    best = best.scatter_reduce(2, target, rank, "amin")[:, :, : h * w]
    known = best < h * w
    source = order.gather(2, best.clamp_max(h * w - 1))
    back = -flat.gather(2, source[..., None].expand(-1, -1, -1, 2)) * known[..., None]
    return back.view_as(flow), known.view(batch, steps, h, w)


def estimate_flow(video: Tensor, grid: TokenGrid, *, detail: int = 2) -> Tensor:
    """Flow between steps by block matching of shrunken frames, to fractions of a token.

    video: (B, 3, T, H, W) -> (B, t-1, h, w, 2). The middle frame of each step is shrunk to `detail` cells along a
    token; displacements up to REACH tokens are tried in whole cells, compared over 3x3 tokens, refined by a parabola.
    Flat places, where all displacements match alike, stay at rest. Coarse: meant for masks, not for measuring motion.
    """
    t, h, w = grid.shape
    span = video.shape[2] // t
    frames = rearrange(video[:, :, span // 2 :: span].float(), "b c t y x -> (b t) c y x")
    frames = F.adaptive_avg_pool2d(frames, (h * detail, w * detail))
    frames = rearrange(frames, "(b t) c y x -> b t c y x", t=t)
    now, after = frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1)
    reach = REACH * detail
    padded = F.pad(after, (reach,) * 4, mode="replicate")
    side = 2 * reach + 1
    costs = []
    for dy in range(side):
        for dx in range(side):
            moved = padded[:, :, dy : dy + now.shape[2], dx : dx + now.shape[3]]
            cost = F.avg_pool2d((now - moved).abs().mean(1, keepdim=True), detail)
            costs.append(F.avg_pool2d(cost, 3, stride=1, padding=1, count_include_pad=False))
    cost = torch.cat(costs, dim=1)  # (B*(t-1), side*side, h, w)
    offset = torch.arange(side, device=video.device) - reach
    rest = 1e-4 * (offset[:, None].abs() + offset.abs()).flatten()[:, None, None]
    best = (cost + rest).argmin(1)
    flow = torch.stack([_refined(cost, best, side, axis) - reach for axis in ("x", "y")], dim=-1) / detail
    return rearrange(flow, "(b k) h w d -> b k h w d", b=len(video))


def _refined(cost: Tensor, best: Tensor, side: int, axis: str) -> Tensor:
    """Place of the least cost along one axis, moved to the bottom of the parabola through it and its neighbours."""
    step = 1 if axis == "x" else side
    place = best % side if axis == "x" else best // side
    inner = (place > 0) & (place < side - 1)
    low, mid, high = (
        cost.gather(1, (best + torch.where(inner, shift * step, 0))[:, None])[:, 0] for shift in (-1, 0, 1)
    )
    bend = low - 2 * mid + high
    shift = torch.where(inner & (bend > 1e-8), 0.5 * (low - high) / bend.clamp_min(1e-8), 0.0)
    # A perfect match needs no refinement; without this, unequal neighbours pull places at rest off by up to 0.1 cell.
    shift = shift * mid / torch.minimum(low, high).clamp_min(1e-8)
    return place + shift.clamp(-0.5, 0.5)
