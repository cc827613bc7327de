"""Regression on a teacher's features."""

import torch.nn.functional as F
from torch import Tensor

from mvkit.errors import OptionError, ShapeError, unknown

NORM_EPS = 1e-6
# smooth_l1 turns from square to straight at a difference of 1, as MVD's released code has it.
KINDS = {"l2": F.mse_loss, "l1": F.l1_loss, "smooth_l1": F.smooth_l1_loss}


def feature_loss(predictions: Tensor, targets: Tensor, kind: str = "smooth_l1") -> Tensor:
    """Mean over all elements, in float32; both (B, M, E) -> (). kind: "l2" (squared, no half), "l1" or "smooth_l1".

    Raises ShapeError unless both have the same shape, OptionError for another kind.
    Papers: MVD, arXiv:2212.04500 (smooth_l1); AMD, arXiv:2311.03149 (l2).
    """
    if kind not in KINDS:
        raise OptionError(unknown("feature loss", kind, KINDS))
    if predictions.shape != targets.shape:
        repair = (
            f"make the head that predicts {targets.shape[-1]} wide, as the teacher is"
            if predictions.shape[:-1] == targets.shape[:-1]
            else "take the same hidden tokens of both"
        )
        raise ShapeError(
            f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)} must be the same: {repair}"
        )
    return KINDS[kind](predictions.float(), targets.float())


def normalise_features(features: Tensor) -> Tensor:
    """features: (..., E) -> each token with mean 0 and (biased) variance 1 over its channels, float32; nothing learned.

    Papers: MVD, arXiv:2212.04500 (`norm_feature`).
    """
    return F.layer_norm(features.float(), features.shape[-1:], eps=NORM_EPS)
