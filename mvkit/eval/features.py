"""Clip features: an encoder's tokens, or their mean over all places and steps. No token is hidden.

An image encoder sees every frame of a clip by itself.
"""

from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Tensor

from mvkit.models.frames import per_frame, sees_frames
from mvkit.models.vit import VideoViT


@torch.inference_mode()
def clip_features(
    encoder: VideoViT, clips: Tensor | Iterable[Tensor], *, batch: int = 64, layer: int | None = None
) -> Tensor:
    """clips: uint8 (n, 3, T, H, W), or batches of them -> float32 (n, D) on the CPU.

    layer: block whose output is pooled (1 = first); None takes the final norm's.
    """
    return torch.cat([tokens.mean(1).float().cpu() for tokens in _tokens(encoder, clips, batch, layer)])


@torch.inference_mode()
def clip_tokens(
    encoder: VideoViT,
    clips: Tensor | Iterable[Tensor],
    *,
    batch: int = 64,
    layer: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """As `clip_features`, without the mean: (n, N, D) on the CPU.

    dtype: torch.float16 takes half the memory, 2.4 MB a clip of 1568 tokens of ViT-B.
    """
    return torch.cat([tokens.to("cpu", dtype) for tokens in _tokens(encoder, clips, batch, layer)])


def _tokens(encoder: VideoViT, clips: Tensor | Iterable[Tensor], batch: int, layer: int | None) -> Iterator[Tensor]:
    device = next(encoder.parameters()).device
    for part in clips.split(batch) if isinstance(clips, Tensor) else clips:
        look = partial(per_frame, encoder) if sees_frames(encoder) else encoder
        encoded = look(part.to(device).float() / 255, layers=() if layer is None else (layer,))
        yield encoded.tokens if layer is None else encoded.layers[layer]


def standardise(train: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Each column to mean 0 and deviation 1 over `train`; the others by the same numbers."""
    mean, std = train.mean(0), train.std(0).clamp_min(1e-6)
    return tuple((part - mean) / std for part in (train, *others))
