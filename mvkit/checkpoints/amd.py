"""The official AMD layout (arXiv:2311.03149), read and written.

A student is a VideoMAE pre-training file with `encoder.projection_heads.i` and `generators.i` besides; its teacher is a
bare encoder, or a VideoMAE pre-training file. Generators carry a final norm that nothing uses: it is left out on
reading and written as it was made, weight 1 and bias 0. Their mask tokens are in no official file.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from mvkit.checkpoints._names import below, to_kit, to_official
from mvkit.checkpoints.videomae import _PRETRAIN

_STUDENT = (("encoder.projection_heads.", "projections."), *_PRETRAIN)


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official pre-training names -> names of `methods.amd.AMD`, generators' mask tokens and dead norms left out."""
    return to_kit({name: value for name, value in state.items() if not is_dead(name)}, _STUDENT)


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of `AMD` -> official pre-training names, with the generators' unused norms."""
    found = to_official({n: v for n, v in state.items() if not _private(n)}, _STUDENT)
    for name in [name for name in found if name.startswith("generators.") and name.endswith("blocks.0.norm1.bias")]:
        start = name.removesuffix("blocks.0.norm1.bias")
        found[f"{start}norm.weight"] = torch.ones_like(found[name])
        found[f"{start}norm.bias"] = torch.zeros_like(found[name])
    return found


def encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder of a student, without its final norm: what fine-tuning starts from."""
    return {name: value for name, value in below(read(state), "encoder.").items() if not name.startswith("norm.")}


def teacher(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The blocks of a teacher, a bare encoder or a VideoMAE pre-training file; norms, heads and decoder left out."""
    state = below(state, "encoder.") or dict(state)
    return to_kit({name: value for name, value in state.items() if name.startswith(("patch_embed.", "blocks."))})


def is_dead(name: str) -> bool:
    """Is it of a norm that no computation reaches?"""
    return name.startswith("generators.") and ".norm." in name and ".blocks." not in name


def _private(name: str) -> bool:
    return name.startswith("generators.") and name.endswith("mask_token")
