"""AdamW over two kinds of parameters, matrices that decay and the rest, and over levels of depth where layers decay.

Biases, norm weights, LayerScale and tokens are recognised by shape, not by a list of names that has to be kept.
"""

from collections.abc import Iterable
from itertools import takewhile
from typing import Any

import torch
from torch import nn

from mvkit.errors import OptionError


def decays(parameter: nn.Parameter) -> bool:
    """Does weight decay apply? Rank 2 and up, except tokens and tables with leading axes of size 1.

    A parameter marked `no_decay = True` or `no_decay = False` is what its mark says: MVD's mask tokens do decay.
    """
    marked = getattr(parameter, "no_decay", None)
    return parameter.squeeze().ndim >= 2 if marked is None else not marked


def parameter_groups(module: nn.Module, weight_decay: float, *, layer_decay: float = 1.0) -> list[dict[str, Any]]:
    """AdamW groups over the trainable parameters, each once; an empty one is left out.

    layer_decay: 1 gives two groups, `decay` and `no_decay`. Below 1 the rate shrinks by this factor a level down from
    the head, 0 < layer_decay <= 1: two groups a level, `layer_3_decay`, whose `lr_scale` is layer_decay ** (levels
    above it). Source: VideoMAE arXiv:2203.12602 (optim_factory.py), after BEiT arXiv:2106.08254.
    Raises OptionError for another factor, or where there is no encoder with blocks to tell levels by.
    """
    if not 0 < layer_decay <= 1:
        raise OptionError(f"layer_decay must lie above 0 and at most at 1, got {layer_decay}; 0.75 is usual for ViT-B")
    levels = depth_levels(module) if layer_decay < 1 else {}
    top = max(levels.values(), default=0)
    groups: dict[str, dict[str, Any]] = {}
    trainable = [p for p in module.parameters() if p.requires_grad]
    for parameter in sorted(trainable, key=decays, reverse=True):  # the decayed first, whatever the module's order
        decay, level = decays(parameter), levels.get(parameter, top)
        name = f"{f'layer_{level}_' if levels else ''}{'decay' if decay else 'no_decay'}"
        options = {"weight_decay": weight_decay if decay else 0.0, "lr_scale": layer_decay ** (top - level)}
        groups.setdefault(name, {"name": name, "params": [], **options})["params"].append(parameter)
    return list(groups.values())


def depth_levels(module: nn.Module) -> dict[nn.Parameter, int]:
    """Level of every parameter of an encoder, or of a model around one: 0 before the blocks, i in block i (from 1), and
    one more for all that follows: norms, head. An encoder's modules come in the order in which it registers them.

    Raises OptionError for a module without blocks.
    """
    encoder = getattr(module, "encoder", module)
    blocks = getattr(encoder, "blocks", None)
    if not isinstance(blocks, (nn.ModuleList, nn.Sequential)):
        raise OptionError(f"layer decay wants an encoder with blocks, {type(module).__name__} has none: layer_decay=1")
    levels = dict.fromkeys(module.parameters(), len(blocks) + 1)
    levels |= dict.fromkeys(encoder.parameters(recurse=False), 0)  # tokens and learned position tables
    for child in takewhile(lambda child: child is not blocks, encoder.children()):
        levels |= dict.fromkeys(child.parameters(), 0)
    for number, block in enumerate(blocks, start=1):
        levels |= dict.fromkeys(block.parameters(), number)
    return levels


def adamw(
    groups: Iterable[dict[str, Any]], *, betas: tuple[float, float] = (0.9, 0.95), eps: float = 1e-8
) -> torch.optim.AdamW:
    """Fused AdamW; the learning rate is set at every step by the loop."""
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=eps, fused=True)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate; a group's own `lr_scale` (layer decay) multiplies it."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
