"""Linear probe: a logistic regression on frozen features."""

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from mvkit.eval.features import standardise


def probe_accuracy(
    train: Tensor, labels: Tensor, test: Tensor, wanted: Tensor, *, strength: float = 0.01, rounds: int = 300
) -> float:
    """Share of `test` that `probe_predict` names as wanted (m,), 0 to 1."""
    return float((probe_predict(train, labels, test, strength=strength, rounds=rounds) == wanted).float().mean())


def probe_predict(train: Tensor, labels: Tensor, test: Tensor, *, strength: float = 0.01, rounds: int = 300) -> Tensor:
    """Labels (m,) that a multinomial logistic regression fitted on `train` gives `test`.

    Arguments as of `fit_probe`.
    """
    model, test = fit_probe(train, labels, test, strength=strength, rounds=rounds)
    return torch.from_numpy(model.predict(test.numpy()))


def fit_probe(
    train: Tensor, labels: Tensor, test: Tensor, *, strength: float = 0.01, rounds: int = 300
) -> tuple[LogisticRegression, Tensor]:
    """The fitted probe, and the features it is to be asked about, standardised as those it has seen.

    train: (n, D), labels: (n,), test: (m, D). strength: scikit-learn's C, small because clips are few and features
    many; the same for every encoder compared.
    """
    train, test = standardise(train, test)
    model = LogisticRegression(C=strength, max_iter=rounds)
    with warnings.catch_warnings():
        # An unconverged fit is still the same rule for every encoder; its score is what is shown.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train.numpy(), labels.numpy())
    return model, test
