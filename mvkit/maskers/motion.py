"""Motion-guided masking: what changes between frames is kept visible or hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import reduce
from torch import Tensor

from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_sample, by_step, keys, refuse_unless
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid


def motion_map(video: Tensor, grid: TokenGrid) -> Tensor:
    """Mean absolute difference to the frame before, over the pixels of each token.

    video: (B, 3, T, H, W) -> (B, t, h*w). The first frame copies the second's difference.
    """
    t, h, w = grid.shape
    # Frame by frame: the difference of a whole batch of clips at once does not fit the cache, and is 3 times as slow.
    pairs = (video[:, :, k] - video[:, :, k - 1] for k in range(1, video.shape[2]))
    change = [reduce(d.abs_(), "b c (h dh) (w dw) -> b h w", "mean", h=h, w=w) for d in pairs]
    return reduce(torch.stack([change[0], *change], 1), "b (t dt) h w -> b t (h w)", "mean", t=t)


@dataclass(frozen=True)
class MotionMasker(RatioMasker):
    """Keeps visible, or hides, the tokens that change most from frame to frame.

    context.video: (B, 3, T, H, W), T >= 2. top: the most moving; gumbel: drawn without replacement in proportion to
    change^sharpness. group: `step` has exact counts in every step, `sample` lets steps with more motion have more.
    camera subtracts each step's median change first, so that a panning camera is not taken for motion everywhere.
    Papers: keep, EVEREST, arXiv:2211.10636; hide, in the spirit of motion-guided masking (MGM), arXiv:2308.12962.
    """

    title: ClassVar[str] = "Motion"
    paper: ClassVar[str] = "EVEREST, arXiv:2211.10636"
    needs: ClassVar[frozenset[str]] = frozenset({"video"})

    ratio: float = option(0.9, "share of tokens hidden", low=0, high=1)
    direction: str = option("keep", "keep or hide what moves", choices=("keep", "hide"))
    select: str = option("gumbel", "draw in proportion to the change, or take the top", choices=("gumbel", "top"))
    sharpness: float = option(1.0, "power of the change (gumbel only)", low=0)
    group: str = option("step", "count exactly per step or per clip", choices=("step", "sample"))
    camera: bool = option(False, "subtract the median change of each step")

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        if self.group == "sample":
            return {"encoder": self.visible_of(grid.tokens)}
        return {"encoder": grid.t * self.visible_of(grid.places)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        assert context.video is not None
        refuse_unless(context.video.shape[2] > 1, "motion needs at least 2 frames, context.video has 1")
        motion = motion_map(context.video.to(generator.device).float(), grid)
        score = (motion - motion.median(-1, keepdim=True).values).clamp_min(0) if self.camera else motion
        keep = self.counts(grid)["encoder"]
        if self.select == "gumbel":
            score = score**self.sharpness
        sign = 1 if self.direction == "keep" else -1
        if self.group == "sample":
            return by_sample(sign * keys(score.flatten(1), self.select, generator), keep, grid, motion=motion)
        return by_step(sign * keys(score, self.select, generator), keep // grid.t, grid, motion=motion)
