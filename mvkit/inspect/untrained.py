"""The control of every picture of a trained network: the same network with the weights it might have begun with."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from mvkit.models.teachers import Teacher
from mvkit.models.timm_encoder import TimmEncoder
from mvkit.models.vit import VideoViT


def untrained(encoder: nn.Module | Teacher, seed: int = 0) -> Any:
    """An encoder (or Teacher: its encoder) of the same shape, on the same device, with fresh weights drawn from seed.

    The global generator is left as it was.
    """
    inner: Any = encoder.encoder if isinstance(encoder, Teacher) else encoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(inner, VideoViT):
            return VideoViT.from_config(inner.config).to(inner.mean.device).eval()
        fresh: TimmEncoder = deepcopy(inner).cpu()
        for part in fresh.modules():
            if callable(reset := getattr(part, "reset_parameters", None)):
                reset()
        fresh.network.init_weights()
    return fresh.to(inner.mean.device).eval()
