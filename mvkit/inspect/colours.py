"""Features of several encoders as colours that can be laid side by side.

Components are fitted over all clips and steps at once, so a colour means the same thing in every frame. Two encoders
share no axes, and their components come in any order and sign: each encoder has its own fit, whose components are then
matched to those of the first encoder, most alike over the same tokens first. Limits leave out 2 % at each end. For
features of one space, such as a teacher's and a prediction of them, one fit of `components.principal` serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from mvkit.errors import ShapeError
from mvkit.inspect.attention import on_grid
from mvkit.inspect.components import Components, principal
from mvkit.maskers.base import TokenMask
from mvkit.tokens import TokenGrid


def colour_maps(features: Mapping[str, Tensor], grid: TokenGrid, *, mask: TokenMask | None = None) -> dict[str, Tensor]:
    """label -> (B, t, h, w, 3) in [0, 1], NaN where hidden; the first encoder sets what the colours stand for.

    features: label -> (B, N, D), or (B, V, D) of the visible tokens of a mask; of the same clips, widths may differ.
    Raises ShapeError.
    """
    count = grid.tokens if mask is None else mask.visible_ids.shape[1]
    first = None
    found = {}
    for label, tokens in features.items():
        if tokens.ndim != 3 or tokens.shape[1] != count or (mask is not None and len(mask) != len(tokens)):
            raise ShapeError(
                f"features of '{label}' must be (B, {count}, D) on a {grid} "
                f"{'without a' if mask is None else 'under this'} mask, got {tuple(tokens.shape)}"
            )
        own = principal(tokens)
        at = (tokens.detach().float() - own.mean) @ own.axes  # (B, V, 3)
        if first is None:
            first = at
        elif at.shape != first.shape:
            raise ShapeError(f"features of '{label}' are of {len(at)} clips, those before of {len(first)}")
        else:
            own = matched(own, at, first)
        found[label] = on_grid(own.colours(tokens).movedim(-1, 1), grid, mask).movedim(1, -1)
    return found


def matched(own: Components, at: Tensor, reference: Tensor) -> Components:
    """The same components, ordered and signed as those of another encoder whose coordinates they go along with.

    at, reference: (..., 3), coordinates of the same tokens in both.
    """
    both = torch.cat([reference.flatten(0, -2), at.flatten(0, -2)], dim=1)
    both = both - both.mean(0)
    both = both / both.norm(dim=0).clamp_min(1e-12)
    alike = both[:, :3].T @ both[:, 3:]  # (3 of the reference, 3 of its own), correlations
    order, sign = [0] * 3, [1.0] * 3
    left = alike.abs()
    for _ in range(3):
        row, column = divmod(int(left.argmax()), 3)
        order[row], sign[row] = column, -1.0 if float(alike[row, column]) < 0 else 1.0
        left[row], left[:, column] = -1, -1
    signs = own.axes.new_tensor(sign)
    ends = torch.stack([own.low[order] * signs, own.high[order] * signs])
    return replace(own, axes=own.axes[:, order] * signs, low=ends.amin(0), high=ends.amax(0), share=own.share[order])
