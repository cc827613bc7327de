"""How much of a teacher's features a student's predictions explain, on a scale that layers and teachers share."""

from torch import Tensor

from mvkit.errors import ShapeError


def explained(predictions: Tensor, targets: Tensor) -> float:
    """Share of the variance of features that predictions of them explain; both (..., E).

    1 is exact, 0 as good as the mean feature of these targets, below 0 worse than that. The scale of features differs
    from layer to layer, so their squared errors do not compare; this does. Raises ShapeError.
    """
    if predictions.shape != targets.shape or targets.ndim < 2:
        raise ShapeError(
            f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)} must be the same (..., E)"
        )
    wanted = targets.float()
    mean = wanted.flatten(0, -2).mean(0)
    rest = (wanted - mean).square().sum().clamp_min(1e-12)
    return 1 - float((predictions.float() - wanted).square().sum() / rest)
