"""What training is watched by: nearest neighbours on every label set of a small labelled set."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mvkit.errors import OptionError
from mvkit.eval.features import clip_features
from mvkit.eval.knn import knn_accuracy
from mvkit.methods.base import Method

Labelled = tuple[Tensor, Mapping[str, Tensor]]


def knn_monitor(train: Labelled, test: Labelled, *, k: int = 10) -> Callable[[Method], dict[str, float]]:
    """A monitor for `fit`: method -> {"knn/<label set>": accuracy on test, 0 to 1}.

    train, test: clips (n, 3, T, H, W) uint8 and labels {name: (n,)}; clips whose label is -1 are left out.
    Raises OptionError if the two share no label set.
    """
    names = [name for name in train[1] if name in test[1]]
    if not names:
        raise OptionError(f"train has label sets {sorted(train[1])}, test has {sorted(test[1])}: none in common")

    def monitor(method: Method) -> dict[str, float]:
        near, far = clip_features(method.encoder, train[0]), clip_features(method.encoder, test[0])
        return {f"knn/{name}": _accuracy(near, train[1][name], far, test[1][name], k) for name in names}

    return monitor


def _accuracy(near: Tensor, labels: Tensor, far: Tensor, wanted: Tensor, k: int) -> float:
    have, asked = torch.as_tensor(labels) >= 0, torch.as_tensor(wanted) >= 0
    return knn_accuracy(near[have], labels[have], far[asked], wanted[asked], k=min(k, int(have.sum())))
