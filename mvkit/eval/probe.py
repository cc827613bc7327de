"""Linear probe: a logistic regression on frozen features."""

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from mvkit.eval.features import standardise


def probe_accuracy(
    train: Tensor, labels: Tensor, test: Tensor, wanted: Tensor, *, strength: float = 0.01, rounds: int = 300
) -> float:
    """Accuracy on `test` of a multinomial logistic regression fitted on `train`, 0 to 1.

    train: (n, D), labels: (n,), test: (m, D), wanted: (m,). Features are standardised. strength: scikit-learn's C,
    small because clips are few and features many; the same for every encoder compared.
    """
    train, test = standardise(train, test)
    model = LogisticRegression(C=strength, max_iter=rounds)
    with warnings.catch_warnings():
        # An unconverged fit is still the same rule for every encoder; its score is what is shown.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train.numpy(), labels.numpy())
    return float(model.score(test.numpy(), wanted.numpy()))
