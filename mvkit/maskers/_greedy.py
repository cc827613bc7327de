"""The block drawing of BEiT and MaskFeat as published: boxes are tried one by one until a budget is met.

A box is taken if it hides at least one more token and no more than the budget allows; after too many misses in a row
the clip stops below its target, which is why these masks are ragged. Every clip of the batch is a row here and tries
on its own; those that are done are left out of the next try.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mvkit.maskers._boxes import level, place


def grow(
    shape: tuple[int, ...],
    batch: int,
    target: int,
    tries: int,
    propose: Callable[[Tensor], Tensor],
    generator: torch.Generator,
) -> Tensor:
    """Hidden tokens (B, *shape) bool, at most `target` a row.

    propose: tokens left to hide (B,) -> size of the next box of each row (B, axes). A box must be smaller than the
    plane in height and width (the last two axes). tries: misses in a row that end a clip.
    """
    device, axes = generator.device, [1] * len(shape)
    hidden = torch.zeros(batch, *shape, dtype=torch.bool, device=device)
    misses = torch.zeros(batch, dtype=torch.long, device=device)
    plane = torch.tensor(shape, device=device)
    while True:
        left = target - hidden.flatten(1).sum(1)
        rows = ((left > 0) & (misses < tries)).nonzero()[:, 0]
        if not len(rows):
            return hidden
        size, left, before = propose(left[rows]), left[rows], hidden[rows]
        fits = (size >= 1).all(1) & (size <= plane).all(1) & (size[:, -2:] < plane[-2:]).all(1)
        size = torch.where(fits[:, None], size, 1.0)[:, None]
        box = level(place(size, shape, generator, whole=True), size, shape) > 0
        new = (box & ~before).flatten(1).sum(1)
        taken = fits & (new > 0) & (new <= left)
        hidden[rows] = before | (box & taken.view(-1, *axes))
        misses[rows] = torch.where(taken, 0, misses[rows] + 1)
