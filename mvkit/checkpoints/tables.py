"""Position tables of weights: made anew, kept, interpolated where asked, or refused with the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from mvkit.errors import CheckpointError
from mvkit.models.positions import table
from mvkit.tokens import TokenGrid

Resize = bool | Literal["rebuild"]


@dataclass(frozen=True)
class Positions:
    """position: what `VideoViT` is built with. rows: weights for it, none where a formula gives the table. note: what
    was done. resized: are the rows another number than the file's?"""

    position: str
    note: str
    rows: Mapping[str, Tensor] = field(default_factory=dict)
    resized: bool = False


def fit(
    stored: Mapping[str, Tensor], *, formula: str, old: TokenGrid, new: TokenGrid, resize: Resize, rebuilt: bool
) -> Positions:
    """The positions of a model on grid `new`, from a file's stored rows for grid `old`.

    stored: `pos_embed` (N, D), and `class_position` (1, 1, D) of an image transformer. formula: the family's table, or
    "learned". resize: True interpolates, "rebuild" takes the formula. rebuilt: does the family's own code always take
    the formula? Raises CheckpointError for another grid where neither was asked for.
    """
    rows = stored["pos_embed"].float()
    known = formula != "learned" and _same(stored, table(formula, old, rows.shape[1]))
    if known and (old == new or rebuilt or resize == "rebuild"):
        return Positions(formula, f"position table '{formula}' made for a {new}, as the file's is for a {old}")
    if old == new:
        return Positions("learned", f"position table of a {new} from the file", stored)
    sizes = f"from {old.h}x{old.w} to {new.h}x{new.w}" if old.t == new.t else f"from {old} to {new}"
    if resize is not True:
        other = f", resize_positions='rebuild' takes its formula '{formula}' as MVD does" if known else ""
        raise CheckpointError(
            f"the file's position table would have to go {sizes}: resize_positions=True interpolates it{other}"
        )
    return Positions(
        "learned",
        f"position table interpolated {sizes}",
        {**stored, "pos_embed": interpolate(rows, old, new)},
        resized=True,
    )


def interpolate(rows: Tensor, old: TokenGrid, new: TokenGrid) -> Tensor:
    """rows: (N_old, D) -> (N_new, D): places bicubic, steps linear, both without aligned corners or antialiasing.

    What is already of the right size is not touched. UMT, arXiv:2303.16058; places alone, as for MAE and CLIP.
    """
    if (old.h, old.w) != (new.h, new.w):
        places = rearrange(rows, "(t h w) d -> t d h w", t=old.t, h=old.h)
        places = F.interpolate(places, size=(new.h, new.w), mode="bicubic", align_corners=False)
        rows = rearrange(places, "t d h w -> (t h w) d")
    if old.t != new.t:
        steps = rearrange(rows, "(t n) d -> n d t", t=old.t)
        steps = F.interpolate(steps, size=new.t, mode="linear", align_corners=False)
        rows = rearrange(steps, "n d t -> (t n) d")
    return rows.contiguous()


def grid_of(rows: int, *likely: TokenGrid) -> TokenGrid:
    """The grid that so many stored rows were made for: the first likely one that fits, else one of as many steps and
    square places, else a clip of as many places and other steps. Raises CheckpointError if there is none."""
    squares = [TokenGrid(g.t, side, side) for g in likely if (side := round((rows / g.t) ** 0.5)) > 0]
    longer = [TokenGrid(rows // g.places, g.h, g.w) for g in likely if g.t > 1 and rows >= g.places]
    for grid in (*likely, *squares, *longer):
        if grid.tokens == rows:
            return grid
    raise CheckpointError(
        f"the file's position table has {rows} rows, which fit none of {', '.join(map(str, likely))}: say the frames "
        "and image, or the grid, that it was made for"
    )


def _same(stored: Mapping[str, Tensor], wanted: Tensor) -> bool:
    """Is a stored table the formula's, to the rounding of float32 formulas, and its class token's row zero?"""
    first = stored.get("class_position", torch.zeros(1))
    rows = stored["pos_embed"].float()
    return rows.shape == wanted.shape and torch.allclose(rows, wanted, atol=1e-4) and not first.any()
