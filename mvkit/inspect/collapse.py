"""Has an encoder stopped telling clips apart? Spread and effective rank of its features, and a verdict.

A loss on features can fall because the features have become alike; these two numbers show it, and no label is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.errors import ShapeError

# Chosen here, not taken from a paper. The kit's own teachers, trained on moving shapes, have spreads of 0.15 (means of
# 48 clips) and 0.2 (tokens), untrained encoders 0.6; their centred ranks are 8.6 at least.
LOW_SPREAD = 0.02  # the cosine of two examples is then about 0.9996
LOW_RANK = 2.0


@dataclass(frozen=True)
class Collapse:
    """std: (D,), of `channel_std`. spread: its mean times D^0.5, 0 (one direction) to 1 (all directions alike). rank:
    effective rank as published, 1 to `most`, the smaller of n and D; varied: the same of the centred features, which a
    large common part does not hide. verdict: "collapsed", "narrow" or "healthy"."""

    std: Tensor
    spread: float
    rank: float
    varied: float
    most: int
    verdict: str

    def __str__(self) -> str:
        ranks = f"effective rank {self.rank:.1f} of {self.most}, centred {self.varied:.1f}"
        return f"{self.verdict}: spread {self.spread:.2f} of 1, {ranks}"


def collapse(features: Tensor) -> Collapse:
    """features: (n, D) of n examples, clips or tokens, n at least 2; more than D examples, or n caps the rank.

    "collapsed": spread below 0.02, every example has nearly the same direction. "narrow": effective rank of the centred
    features below 2, the examples lie near a line. Else "healthy", which says only that neither happened. Raises
    ShapeError.
    """
    std = channel_std(features)
    whole = features.detach().double()
    varied = effective_rank(whole - whole.mean(0))
    spread = float(std.mean()) * features.shape[1] ** 0.5
    verdict = "collapsed" if spread < LOW_SPREAD else "narrow" if varied < LOW_RANK else "healthy"
    return Collapse(std, spread, effective_rank(whole), varied, min(whole.shape), verdict)


def channel_std(features: Tensor) -> Tensor:
    """Standard deviation of each channel of features (n, D), each brought to length 1 first: (D,).

    D^-0.5 where directions are uniform, 0 where all are alike. Paper: SimSiam, arXiv:2011.10566. Raises ShapeError.
    """
    _check(features)
    return F.normalize(features.detach().float(), dim=1).std(0, correction=0)


def effective_rank(features: Tensor) -> float:
    """How many directions features (n, D) fill: exp of the entropy of their singular values, 1 to min(n, D).

    Not centred, as published. Features that are all 0 have rank 0. Paper: RankMe, arXiv:2210.02885. Differs: a 0 log 0
    is 0 here; there 1e-7 is added to each share. Raises ShapeError.
    """
    _check(features)
    values = torch.linalg.svdvals(features.detach().double())
    if not float(values.sum()) > 0:
        return 0.0
    return float(torch.special.entr(values / values.sum()).sum().exp())


def _check(features: Tensor) -> None:
    if features.ndim != 2 or len(features) < 2:
        raise ShapeError(
            f"collapse is seen over examples: features must be (n, D) with n at least 2, got {tuple(features.shape)}; "
            "take the mean of the tokens of a clip, or flatten them"
        )
