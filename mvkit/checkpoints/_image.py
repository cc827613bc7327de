"""What the files of image transformers (MAE, CLIP) have in common and video ones lack.

Theirs is a 2-D patch kernel, one bias for query, key and value, and one position table whose first row is the class
token's. Here the kernel has one slice, the biases are three, and the class token's row lies apart.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

_KERNEL, _TABLE = "patch_embed.proj.weight", "pos_embed"


def to_kit(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an image transformer -> those of a `VideoViT`, names as they are but for these three."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        start, _, last = name.rpartition(".")
        if name.endswith("attn.qkv.bias"):
            stem = name.removesuffix("qkv.bias")
            found |= {f"{stem}{part}_bias": bias for part, bias in zip("qkv", value.chunk(3), strict=True)}
        elif name.endswith(_KERNEL) and value.ndim == 4:
            found[name] = value[:, :, None]
        elif last == _TABLE:
            found[_beside(start, "class_position")], found[name] = value[None, :1], value[1:]
        else:
            found[name] = value
    return found


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `to_kit`: zeros for key biases that are not there; a kernel of several slices stays."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        start, _, last = name.rpartition(".")
        if name.endswith("attn.q_bias"):
            stem = name.removesuffix("q_bias")
            key = state.get(f"{stem}k_bias", torch.zeros_like(value))
            found[f"{stem}qkv.bias"] = torch.cat([value, key, state[f"{stem}v_bias"]])
        elif name.endswith(_KERNEL) and value.shape[2] == 1:
            found[name] = value[:, :, 0]
        elif last == _TABLE:
            found[name] = torch.cat([state[_beside(start, "class_position")][0], value])
        elif last != "class_position" and not name.endswith(("attn.k_bias", "attn.v_bias")):
            found[name] = value
    return found


def _beside(start: str, name: str) -> str:
    return f"{start}.{name}" if start else name
