"""Top-1 and top-5 accuracy with percentile bootstrap intervals over clips.

An interval says how far the number moves with the choice of test clips; it says nothing of training with another seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mvkit.errors import OptionError, ShapeError


@dataclass(frozen=True)
class Accuracy:
    """A share of clips, 0 to 1, and the interval that holds `level` of its bootstrap copies."""

    value: float
    low: float
    high: float
    clips: int
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


@dataclass(frozen=True)
class Accuracies:
    """top5: None for five classes or fewer, where it says nothing: it is 1 for any scores."""

    top1: Accuracy
    top5: Accuracy | None

    def __str__(self) -> str:
        return f"top-1 {self.top1}, top-5 {self.top5 or 'none (five classes or fewer)'}, {self.top1.clips} clips"


def in_top(scores: Tensor, labels: Tensor, k: int) -> Tensor:
    """Is the label among the k highest scores? scores: (n, classes) finite, labels: (n,) -> bool (n,).

    Of equal scores the lower class number comes first, as in argmax, so scores that are all the same earn no more
    than chance; scikit-learn's top_k_accuracy_score puts the higher number first.
    Raises OptionError unless 1 <= k < classes; ShapeError for sizes, labels or scores that do not fit.
    """
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        got = f"{tuple(scores.shape)} and {tuple(labels.shape)}"
        raise ShapeError(f"wanted scores (n, classes) and labels (n,), got {got}")
    classes = scores.shape[1]
    if not 1 <= k < classes:
        raise OptionError(f"top-{k} of {classes} classes says nothing: k must lie between 1 and {classes - 1}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        seen = f"{int(labels.min())}..{int(labels.max())}"
        raise ShapeError(f"labels {seen} do not fit scores of {classes} classes; leave clips without a label out")
    if not scores.isfinite().all():  # every comparison with NaN is false: such a clip would count as right
        broken = int((~scores.isfinite()).any(1).sum())
        raise ShapeError(f"scores of {broken} of {len(scores)} clips are not finite; did training diverge?")
    own = scores.gather(1, labels[:, None])
    before = torch.arange(classes, device=scores.device) < labels[:, None]
    return ((scores > own) | ((scores == own) & before)).sum(1) < k


def accuracy(
    correct: Tensor,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    statistic: Callable[..., Any] = np.mean,
) -> Accuracy:
    """correct: (n,), 0 or 1 -> their mean, with the interval between the percentiles of `resamples` bootstrap means.

    level: 0 to 1. statistic: another than the mean, such as np.median of ranks. With every clip right, or every clip
    wrong, the interval is that point: the bootstrap cannot see what no clip shows. Raises OptionError for no clips, or
    a level or count out of range.
    """
    if not len(correct) or not 0 < level < 1 or resamples < 1:
        raise OptionError(
            f"wanted at least one clip and one resample, and a level between 0 and 1; got {len(correct)} clips, "
            f"{resamples} resamples, {level}"
        )
    values, generator = correct.double().cpu().numpy(), np.random.default_rng(seed)
    # One resample at a time: 20,000 clips x 1,000 resamples would be 160 MB of indices.
    means = [statistic(values[generator.integers(len(values), size=len(values))]) for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Accuracy(float(statistic(values)), float(low), float(high), len(values), level)


def accuracies(
    scores: Tensor, labels: Tensor, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Accuracies:
    """Top-1 and top-5 of scores (n, classes) for labels (n,), with intervals. Raises as `in_top` and `accuracy`."""
    options = {"level": level, "resamples": resamples, "seed": seed}
    top1 = accuracy(in_top(scores, labels, 1), **options)
    return Accuracies(top1, accuracy(in_top(scores, labels, 5), **options) if scores.shape[1] > 5 else None)
