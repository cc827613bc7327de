"""k nearest neighbours on frozen features: no training, so it shows what is there."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.errors import OptionError
from mvkit.eval.features import standardise


def knn_predict(train: Tensor, labels: Tensor, test: Tensor, *, k: int = 10, temperature: float = 0.07) -> Tensor:
    """train: (n, D), labels: (n,) whole numbers, test: (m, D) -> predicted labels (m,).

    Cosine neighbours of standardised features, votes weighted by exp(similarity / temperature), as in DINO
    (arXiv:2104.14294). Raises OptionError unless 1 <= k <= n.
    """
    if not 1 <= k <= len(train):
        raise OptionError(f"k must lie between 1 and the {len(train)} training clips, got {k}")
    train, test = standardise(train, test)
    similarity = F.normalize(test, dim=1) @ F.normalize(train, dim=1).T
    nearest, ids = similarity.topk(k, dim=1)
    votes = torch.zeros(len(test), int(labels.max()) + 1)
    votes.scatter_add_(1, labels[ids], (nearest / temperature).exp())
    return votes.argmax(1)


def knn_accuracy(train: Tensor, labels: Tensor, test: Tensor, wanted: Tensor, *, k: int = 10) -> float:
    """Share of `test` whose neighbours name the wanted label, 0 to 1."""
    return float((knn_predict(train, labels, test, k=k) == wanted).float().mean())
