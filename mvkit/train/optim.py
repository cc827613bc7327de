"""AdamW over two kinds of parameters: matrices decay, everything of rank one does not.

Biases, norm weights, LayerScale and tokens are recognised by shape, not by a list of names that has to be kept.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def decays(parameter: nn.Parameter) -> bool:
    """Does weight decay apply? Rank 2 and up, except tokens and tables with leading axes of size 1 or marked so."""
    return parameter.squeeze().ndim >= 2 and not getattr(parameter, "no_decay", False)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two AdamW groups over the trainable parameters, the decayed first; an empty one is left out."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if decays(p)], "weight_decay": weight_decay},
        {"params": [p for p in trainable if not decays(p)], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def adamw(
    groups: Iterable[dict[str, Any]], *, betas: tuple[float, float] = (0.9, 0.95), eps: float = 1e-8
) -> torch.optim.AdamW:
    """Fused AdamW; the learning rate is set at every step by the loop."""
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=eps, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate; a group's own `lr_scale` (layer decay) multiplies it."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
