"""Flow-warped masking: visible places travel with the motion, so a hidden token is hidden wherever it goes.

A tube hides a place for the whole clip, but a moving object leaves it and becomes visible elsewhere. Here the tube is
bent along the flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mvkit.maskers._flow import backward_flow, estimate_flow
from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_step, pick, uniform
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid


def trace(flow: Tensor, grid: TokenGrid, base: int) -> tuple[Tensor, Tensor]:
    """Where each token was, or will be, in step `base`, in tokens, and whether that could be followed all the way.

    flow: (B, t-1, h, w, 2) -> positions (B, t, h*w, 2) as (x, y), known (B, t, h, w) bool. A track that begins
    behind something or outside the plane counts from its own place there, and is not known.
    """
    back, landed = backward_flow(flow)
    y, x = torch.meshgrid(*(torch.arange(n, device=flow.device) for n in grid.shape[1:]), indexing="ij")
    here = torch.stack([x, y], dim=-1).float().flatten(0, 1).expand(len(flow), -1, -1)  # (B, h*w, 2)
    positions, known = [here] * grid.t, [torch.ones_like(here[..., 0], dtype=torch.bool)] * grid.t
    for k in range(base + 1, grid.t):
        positions[k], known[k] = _step(here, back[:, k - 1], landed[:, k - 1], positions[k - 1], known[k - 1], grid)
    for k in range(base - 1, -1, -1):
        # A token that something faster lands on top of does not come back to itself: it is covered in step k+1.
        returns = _at(back[:, k].flatten(1, 2), here + flow[:, k].flatten(1, 2), grid)[0] + flow[:, k].flatten(1, 2)
        seen = (returns.norm(dim=-1) < 0.75).view_as(landed[:, k])
        positions[k], known[k] = _step(here, flow[:, k], seen, positions[k + 1], known[k + 1], grid)
    return torch.stack(positions, 1), torch.stack(known, 1).unflatten(2, grid.shape[1:])


def _step(
    here: Tensor, flow: Tensor, seen: Tensor, before: Tensor, known: Tensor, grid: TokenGrid
) -> tuple[Tensor, Tensor]:
    """One step of a track: the position of the token that the flow leads to, plus what rounding to it left over."""
    there = here + flow.flatten(1, 2)
    position, inside = _at(before, there, grid)
    followed = inside & seen.flatten(1)
    track = torch.where(followed[..., None], position + there - there.round(), here)
    return track, followed & _at(known, there, grid)[0]


def _at(values: Tensor, places: Tensor, grid: TokenGrid) -> tuple[Tensor, Tensor]:
    """Values (B, h*w, ...) at the tokens nearest to places (B, h*w, 2), and which places lie inside the plane."""
    x, y = places.round().long().unbind(-1)
    inside = (x >= 0) & (x < grid.w) & (y >= 0) & (y < grid.h)
    ids = y.clamp(0, grid.h - 1) * grid.w + x.clamp(0, grid.w - 1)
    return values.gather(1, ids.view(*ids.shape, *[1] * (values.ndim - 2)).expand(-1, -1, *values.shape[2:])), inside


@dataclass(frozen=True)
class FlowMasker(RatioMasker):
    """Draws seeds in a base step, follows each token back to it along the flow, and keeps what lands near a seed.

    context.flow: (B, t-1, h, w, 2) in tokens from step k to k+1; without it, flow is estimated from context.video by
    coarse block matching. A token's score is exp(-d^2 / sigma^2), d the distance in tokens from where it was in the
    base step to the nearest seed. Tokens that were covered or outside then have no past: they take the score of
    their own place in the base step, and are drawn on after every tracked seed and before all other tracked tokens.
    Paper: MGMAE, arXiv:2308.10794. Differs: it warps a map of Gaussians with RAFT's flow between raw frames; here
    positions are followed, so nothing blurs; and it seeds one place more than it keeps (20 and 19 of 196 at 0.9).
    """

    title: ClassVar[str] = "Flow"
    paper: ClassVar[str] = "MGMAE, arXiv:2308.10794"
    needs: ClassVar[frozenset[str]] = frozenset({"video"})
    instead: ClassVar[Mapping[str, str]] = {"video": "flow"}
    exact: ClassVar[str] = "step"
    aliases: ClassVar[tuple[str, ...]] = ("flow_warp", "mgmae")

    ratio: float = option(0.9, "share of each step's places hidden", low=0, high=1)
    sigma: float = option(1.0, "reach of a seed in tokens", low=0.1, high=10)
    detail: int = option(2, "cells along a token that flow is estimated on (4: 16 times as dear)", low=1, high=8)
    base: str = option("middle", "the step seeds are drawn in", choices=("middle", "first"))

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        return {"encoder": grid.t * self.visible_of(grid.places)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        if context.flow is not None:
            flow = context.flow.to(generator.device).float()
        else:
            assert context.video is not None
            flow = estimate_flow(context.video.to(generator.device), grid, detail=self.detail)
        keep = self.counts(grid)["encoder"] // grid.t
        seeds = pick(uniform(batch, grid.places, generator=generator), keep)  # (B, keep)
        start, known = trace(flow, grid, grid.t // 2 if self.base == "middle" else 0)
        centres = torch.stack([seeds % grid.w, seeds // grid.w], dim=-1).float()
        distance = torch.full((batch, grid.t, grid.places), float("inf"), device=flow.device)
        if keep:
            distance = torch.cdist(start.flatten(1, 2), centres).amin(-1).view_as(distance)
        score = torch.exp(-((distance / self.sigma) ** 2))
        near = distance < 0.75  # just over half the diagonal of a token: a seed went here
        score = score + torch.where(known.flatten(2), 2.0 * near, 1.0)
        return by_step(score + 1e-4 * uniform(*score.shape, generator=generator), keep, grid, flow=flow)
