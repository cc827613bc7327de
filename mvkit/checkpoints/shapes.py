"""What a `VideoViT` is built with, read from the shapes of its weights; only heads cannot be seen in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mvkit.errors import CheckpointError

HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 16, 1664: 16}
"""Heads by width in every published model of these families; 64 channels each up to 1024, more above."""


def options(state: Mapping[str, Tensor], *, heads: int | None, where: str) -> dict[str, Any]:
    """state: names of a `VideoViT`. heads: None takes those of the published width. Raises CheckpointError."""
    numbers = {int(name.split(".")[1]) for name in state if name.startswith("blocks.")}
    needed = ("patch_embed.proj.weight", "blocks.0.mlp.fc1.weight")
    lacking = next((name for name in needed if name not in state), None)
    if lacking is not None or numbers != set(range(len(numbers))):
        raise CheckpointError(
            f"{where} is not whole: {lacking or 'a block between two others'} is missing; get it again"
        )
    width, channels, tubelet, patch, across = state["patch_embed.proj.weight"].shape
    if patch != across or channels != 3:
        raise CheckpointError(
            f"{where} embeds patches of {patch}x{across} pixels and {channels} channels; wanted square ones of 3"
        )
    heads = HEADS.get(width) if heads is None else heads
    if heads is None:
        raise CheckpointError(f"{where} has width {width}, which no published model has: say heads=...")
    hidden = state["blocks.0.mlp.fc1.weight"].shape[0]
    ratio = hidden / width
    return {
        "tubelet": tubelet,
        "patch": patch,
        "width": width,
        "depth": len(numbers),
        "heads": heads,
        # V2's giant has 6144/1408: the product may fall short of the whole number it came from.
        "mlp_ratio": ratio if int(width * ratio) == hidden else math.nextafter(ratio, math.inf),
        "qkv_bias": "blocks.0.attn.q_bias" in state,
        "key_bias": "blocks.0.attn.k_bias" in state,
        "layer_scale": 1.0 if "blocks.0.ls1.gamma" in state else 0.0,
        "final_norm": "norm.weight" in state,
        "class_token": "class_token" in state,
        "pre_norm": "pre_norm.weight" in state,
        "patch_bias": "patch_embed.proj.bias" in state,
        "out_width": len(state["head.weight"]) if "head.weight" in state else None,
    }
