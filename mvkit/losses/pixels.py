"""Pixel targets of masked autoencoding, and the loss against them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.errors import ShapeError

# Added to the standard deviation, as the released code does; image MAE adds it to the variance.
STD_EPS = 1e-6


def normalise_pixels(pixels: Tensor, *, channels: int = 3) -> Tensor:
    """pixels: (..., P), channel fastest -> each token and channel with mean 0 and (unbiased) deviation 1.

    Paper: VideoMAE, arXiv:2203.12602. Per channel, unlike image MAE, which normalises all channels jointly.
    """
    centred, _, std = _centred(pixels, channels)
    return (centred / (std + STD_EPS)).mT.flatten(-2)


def normalise_patches(pixels: Tensor) -> Tensor:
    """pixels: (..., P) -> each patch with mean 0 and (unbiased) variance 1 over its pixels and channels together.

    Paper: MAE, arXiv:2111.06377. Here the epsilon lies inside the root.
    """
    mean, variance = pixels.mean(-1, keepdim=True), pixels.var(-1, keepdim=True)
    return (pixels - mean) / (variance + STD_EPS).sqrt()


def pixel_statistics(pixels: Tensor, *, channels: int = 3) -> tuple[Tensor, Tensor]:
    """pixels: (..., P) -> mean and unbiased standard deviation of each token and channel, both (..., 1, channels)."""
    _, mean, std = _centred(pixels, channels)
    return mean.mT, std.mT


def _centred(pixels: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels less their mean, (..., channels, P/channels), mean and deviation, (..., channels, 1).

    Two passes over rows of one channel: torch.var, and any reduction of a middle axis, is several times slower here.
    """
    parts = pixels.unflatten(-1, (-1, channels)).mT.contiguous()
    mean = parts.mean(-1, keepdim=True)
    centred = parts - mean
    return centred, mean, torch.linalg.vector_norm(centred, dim=-1, keepdim=True) / (parts.shape[-1] - 1) ** 0.5


def pixel_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error over all hidden pixels, in float32; both (B, M, P) -> (). Raises ShapeError."""
    if predictions.shape != targets.shape:
        raise ShapeError(f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)} must be the same")
    return F.mse_loss(predictions.float(), targets.float())
