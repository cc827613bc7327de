"""The official layout of MVD's students (arXiv:2212.04500), read and written.

A student's file is a bare encoder with, for each of its teachers, `down_*`, `mask_token_*`, `decoder_*` and a frozen
position table; `img` and `vid` are `image` and `video` here. The tables are functions of the grid and ours are never
saved, so they are left out on reading, and made on writing where a grid is given. A fine-tuning file has the names of
VideoMAE's and needs another table: `mask_token_img` or `mask_token_vid` tells a pre-training file of MVD.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mvkit.checkpoints._names import BARE, below, to_kit, to_official
from mvkit.models.positions import blocked_3d
from mvkit.tokens import TokenGrid

ARCHITECTURE: dict[str, Any] = {"position": "blocked_3d"}

_BRANCHES = {"img": "image", "vid": "video"}
_DECODERS = tuple(
    pair
    for theirs, ours in _BRANCHES.items()
    for pair in (
        (f"mask_token_{theirs}", f"decoders.{ours}.mask_token"),
        (f"down_{theirs}.", f"decoders.{ours}.project."),
        (f"decoder_{theirs}.head.", f"heads.{ours}."),
        (f"decoder_{theirs}.", f"decoders.{ours}."),
    )
)
_STUDENT = (*_DECODERS, *BARE)


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official pre-training names -> names of `methods.mvd.MVD`, position tables left out."""
    return to_kit({name: value for name, value in state.items() if not is_dropped(name)}, _STUDENT)


def write(state: Mapping[str, Tensor], grid: TokenGrid | None = None) -> dict[str, Tensor]:
    """Names of `MVD` -> official pre-training names; the inverse of `read`.

    grid: the encoder's, for the position tables of a file that the official code can load; None leaves them out.
    """
    found = to_official(state, _STUDENT)
    if grid is not None:
        for suffix in ("", *(f"_{branch}" for branch in _BRANCHES if f"down_{branch}.bias" in found)):
            like = found[f"down{suffix}.bias" if suffix else "patch_embed.proj.bias"]
            found[f"pos_embed{suffix}"] = blocked_3d(grid, len(like))[None].to(like)
    return found


def encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder of a student, without its final norm: what fine-tuning starts from."""
    return {name: value for name, value in below(read(state), "encoder.").items() if not name.startswith("norm.")}


def is_dropped(name: str) -> bool:
    """Is it one of the frozen position tables?"""
    return name in ("pos_embed", *(f"pos_embed_{branch}" for branch in _BRANCHES))
