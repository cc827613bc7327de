"""Clips with several classes each: what is in their tracks, a linear probe for each class, mean average precision."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from torch import Tensor

from mvkit.data.sample import Sample
from mvkit.errors import DataError, ShapeError
from mvkit.eval.features import standardise
from mvkit.eval.metrics import Accuracy


def track_labels(samples: Sequence[Sample], label: str, classes: int) -> Tensor:
    """Which classes of a label set the tracks of each sample show at any time -> (n, classes) bool.

    Raises DataError where no track has this label set, or a class is beyond `classes`.
    """
    found = torch.zeros(len(samples), classes, dtype=torch.bool)
    seen = [{k for track in sample.tracks for k in track.labels.get(label, ())} for sample in samples]
    if not any(seen):
        raise DataError(
            f"no track of {len(samples)} samples has labels of '{label}'; several labels a clip need tracks"
        )
    if (highest := max(max(own, default=0) for own in seen)) >= classes:
        raise DataError(f"class {highest} of '{label}' is beyond the {classes} classes that the manifest names")
    for row, own in enumerate(seen):
        found[row, list(own)] = True
    return found


def average_precisions(scores: Tensor, wanted: Tensor) -> Tensor:
    """Average precision of each class, nan for one that no clip has -> (classes,) float64.

    scores, wanted: (n, classes), the second bool. Equal scores are one step, as scikit-learn has it.
    Raises ShapeError for other sizes, or scores that are not finite.
    """
    if scores.shape != wanted.shape or scores.ndim != 2 or not bool(scores.isfinite().all()):
        raise ShapeError(
            f"wanted finite scores and labels, (n, classes) both, got {tuple(scores.shape)} and {tuple(wanted.shape)}"
        )
    columns = zip(scores.T.double().numpy(), wanted.T.numpy(), strict=True)
    return torch.tensor([average_precision_score(y, s) if y.any() else np.nan for s, y in columns], dtype=torch.float64)


def mean_average_precision(
    scores: Tensor, wanted: Tensor, *, level: float = 0.95, resamples: int = 200, seed: int = 0
) -> Accuracy:
    """Mean of `average_precisions` over the classes that some clip has, 0 to 1, with a bootstrap interval over clips.

    A copy of the clips in which a class is empty leaves that class out. Raises DataError where every class is empty.
    """
    if not bool(wanted.any()):
        raise DataError(f"none of {len(wanted)} clips has any of the {wanted.shape[1]} classes: nothing to average")
    drawn = np.random.default_rng(seed)
    copies = (torch.from_numpy(drawn.integers(len(wanted), size=len(wanted))) for _ in range(resamples))
    means = [_mean(scores[rows], wanted[rows]) for rows in copies if bool(wanted[rows].any())]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Accuracy(_mean(scores, wanted), float(low), float(high), len(wanted), level)


def _mean(scores: Tensor, wanted: Tensor) -> float:
    return float(average_precisions(scores, wanted).nanmean())


def probe_scores(train: Tensor, labels: Tensor, test: Tensor, *, strength: float = 0.01, rounds: int = 300) -> Tensor:
    """Log-odds (m, classes) of one logistic regression for each class, on standardised features.

    train: (n, D), labels: (n, classes) bool, test: (m, D). A class that all or none of `train` has scores 0.
    """
    train, test = standardise(train, test)
    scores = torch.zeros(len(test), labels.shape[1], dtype=torch.float64)
    for number, own in enumerate(labels.T.numpy()):
        if own.all() or not own.any():
            continue
        model = LogisticRegression(C=strength, max_iter=rounds)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as in `probe`
            scores[:, number] = torch.from_numpy(model.fit(train.numpy(), own).decision_function(test.numpy()))
    return scores
