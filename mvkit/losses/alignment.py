"""Alignment of unit vectors: the student's tokens to those of a frozen teacher."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from mvkit.errors import OptionError, ShapeError, unknown


def unit(vectors: Tensor) -> Tensor:
    """(..., C) -> the same, float32, each of length 1. No epsilon, as in the released code: zero gives NaN."""
    vectors = vectors.float()
    return vectors / vectors.norm(dim=-1, keepdim=True)


def alignment_loss(predictions: Tensor, targets: Tensor, kind: str = "l2") -> Tensor:
    """Mean over everything but channels; predictions, targets: unit vectors (..., C) -> (), float32.

    kind: "l2", 2 - 2<u, v>, which for unit vectors is the squared distance summed over channels: 2 where they have
    nothing in common, 0 where they agree; "mse", that divided by C; "smooth_l1", element mean, beta 1.
    Paper: UMT, arXiv:2303.16058. Raises ShapeError, and OptionError for an unknown kind.
    """
    if predictions.shape != targets.shape:
        raise ShapeError(f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)} must be the same")
    if kind not in KINDS:
        raise OptionError(unknown("alignment loss", kind, KINDS))
    return KINDS[kind](predictions.float(), targets.float())


def _l2(predictions: Tensor, targets: Tensor) -> Tensor:
    return (2 - 2 * (predictions * targets).sum(-1)).mean()


KINDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": _l2,
    "mse": F.mse_loss,
    "smooth_l1": F.smooth_l1_loss,
}
