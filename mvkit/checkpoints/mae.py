"""The official layout of image MAE (arXiv:2111.06377), read and written.

The encoder's names are bare; the decoder's begin with `decoder_`, and files released as teachers lack them. A
fine-tuning file is a bare encoder with `fc_norm` and `head`. The key's part of the biases changes no output, because
softmax cancels it: keep it in a model built with `key_bias`, or leave it out. The frozen tables of pre-training are
functions of the grid: left out on reading, and made on writing where a grid is given; fine-tuning trains its table.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mvkit.checkpoints import _image
from mvkit.checkpoints._names import BARE, below, to_kit, to_official
from mvkit.models.positions import blocked_2d
from mvkit.tokens import TokenGrid

ARCHITECTURE: dict[str, Any] = {"tubelet": 1, "class_token": True, "key_bias": True, "position": "blocked_2d"}
"""What `VideoViT` is built with to hold these weights, besides its sizes."""

_DECODER = (
    ("mask_token", "decoder.mask_token"),
    ("decoder_embed.", "decoder.project."),
    ("decoder_blocks.", "decoder.blocks."),
    ("decoder_norm.", "decoder.norm."),
    ("decoder_pred.", "head."),
)
_PRETRAIN = (*_DECODER, *BARE)
_TABLES = {"pos_embed": "patch_embed.proj.bias", "decoder_pos_embed": "decoder_embed.bias"}


def read(state: Mapping[str, Tensor], *, key_bias: bool = True) -> dict[str, Tensor]:
    """Official names -> names of `methods.mae.MAE`, position tables left out. key_bias: keep the key's biases."""
    found = _image.to_kit(to_kit({name: v for name, v in state.items() if not is_dropped(name)}, _PRETRAIN))
    return {name: value for name, value in found.items() if key_bias or not name.endswith("attn.k_bias")}


def write(state: Mapping[str, Tensor], grid: TokenGrid | None = None) -> dict[str, Tensor]:
    """Names of `MAE` -> official names; the inverse of `read`, with zeros for key biases that are not there.

    grid: the encoder's, for the position tables of a file that the official code can load; None leaves them out.
    """
    found = to_official(_image.to_official(state), _PRETRAIN)
    if grid is not None:
        made = {name: (tables(grid, len(found[like])), found[like]) for name, like in _TABLES.items() if like in found}
        found |= {name: table.to(like) for name, (table, like) in made.items() if name not in found}
    return found


def read_finetuned(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official fine-tuning names -> names of `VideoClassifier`, with the position table, which was trained."""
    return _image.to_kit(to_kit(state, BARE))


def write_finetuned(state: Mapping[str, Tensor], grid: TokenGrid) -> dict[str, Tensor]:
    """Names of `VideoClassifier` -> official fine-tuning names. grid: for a fixed table, which is stored there."""
    found = to_official(_image.to_official(state), BARE)
    like = found["patch_embed.proj.bias"]
    return {"pos_embed": tables(grid, len(like)).to(like), **found}


def encoder(state: Mapping[str, Tensor], *, key_bias: bool = True) -> dict[str, Tensor]:
    """The encoder of a file, with its final norm: what a teacher is made from."""
    return below(read(state, key_bias=key_bias), "encoder.")


def tables(grid: TokenGrid, width: int) -> Tensor:
    """(1, 1 + N, width): zeros for the class token, then the table of the patches."""
    return torch.cat([torch.zeros(1, width), blocked_2d(grid, width)])[None]


def is_dropped(name: str) -> bool:
    """Is it a position table of pre-training?"""
    return name in _TABLES
