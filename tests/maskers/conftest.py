"""A moving square with known motion, for maskers that look at the clip."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class Scene:
    """Clips, tokens of the square (B, t, h, w) bool, its true flow (B, t-1, h, w, 2), attention (B, t, h, w) to it."""

    video: Tensor
    square: Tensor
    flow: Tensor
    attention: Tensor


@pytest.fixture(scope="session")
def scene() -> Scene:
    """300 clips of 16 frames of 56x56 pixels, 8x14x14 tokens.

    A square of 5x5 tokens with its own grey noise over static grey noise, constant speed evenly within 0.75 token per
    frame and axis, wrapping around, Gaussian noise of s.d. 0.02; a token is the square's if more than half covered.
    Each 300th of the range of speeds is drawn from once, or leaks along the motion would spread by 0.006.
    Attention is the share of a token that the square covers plus Gaussian noise of s.d. 0.12, cut at 0.
    """
    g = torch.Generator().manual_seed(0)
    clips, size, side = 300, 56, 20
    ground, square = (torch.rand(clips, 1, n, n, generator=g) for n in (size, side))
    start = torch.rand(clips, 2, generator=g) * size
    part = torch.stack([torch.randperm(clips, generator=g) for _ in range(2)], 1)
    speed = ((part + torch.rand(clips, 2, generator=g)) / clips * 1.5 - 0.75) * 4
    line = torch.arange(size)
    frames, covers = [], []
    for frame in range(16):
        x, y = ((line - at[:, None]) % size for at in (start + speed * frame).round().long().unbind(1))  # (B, 56)
        cover = (y < side)[:, :, None] & (x < side)[:, None, :]
        inside = y.clamp(max=side - 1)[:, :, None] * side + x.clamp(max=side - 1)[:, None, :]
        moved = square.flatten(1).gather(1, inside.flatten(1)).view_as(inside)
        frames.append(torch.where(cover, moved, ground[:, 0]))
        covers.append(cover.float())
    video = torch.stack(frames, 1)[:, None]
    video = (video + 0.02 * torch.randn(video.shape, generator=g)).expand(-1, 3, -1, -1, -1)
    share = torch.stack(covers, 1).view(clips, 8, 2, 14, 4, 14, 4).mean((2, 4, 6))
    tokens, attention = share > 0.5, (share + 0.12 * torch.randn(share.shape, generator=g)).clamp_min(0)
    flow = tokens[:, :-1, :, :, None] * (speed * 2 / 4)[:, None, None, None, :]
    return Scene(video, tokens, flow, attention)
