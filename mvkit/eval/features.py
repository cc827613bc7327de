"""Clip features: the mean of an encoder's tokens over all places and steps."""

from collections.abc import Iterable

import torch
from torch import Tensor

from mvkit.models.vit import VideoViT


@torch.inference_mode()
def clip_features(
    encoder: VideoViT, clips: Tensor | Iterable[Tensor], *, batch: int = 64, layer: int | None = None
) -> Tensor:
    """clips: uint8 (n, 3, T, H, W), or batches of them -> float32 (n, D) on the CPU.

    layer: block whose output is pooled (1 = first); None takes the final norm's. No token is hidden.
    """
    device = next(encoder.parameters()).device
    batches = clips.split(batch) if isinstance(clips, Tensor) else clips
    found = []
    for part in batches:
        encoded = encoder(part.to(device).float() / 255, layers=() if layer is None else (layer,))
        tokens = encoded.tokens if layer is None else encoded.layers[layer]
        found.append(tokens.mean(1).float().cpu())
    return torch.cat(found)


def standardise(train: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Each column to mean 0 and deviation 1 over `train`; the others by the same numbers."""
    mean, std = train.mean(0), train.std(0).clamp_min(1e-6)
    return tuple((part - mean) / std for part in (train, *others))
