"""The block drawing of BEiT and MaskFeat as published: boxes are tried one by one until a budget is met.

A box is taken if it hides at least one more token and no more than the budget allows; after too many misses in a row
the clip stops below its target, which is why these masks are ragged. Every clip of the batch is a row here and tries
on its own; the loop ends when all rows have.
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
    hidden = torch.zeros(batch, *shape, dtype=torch.bool, device=generator.device)
    misses = torch.zeros(batch, dtype=torch.long, device=generator.device)
    plane = torch.tensor(shape, device=generator.device)
    while True:
        left = target - hidden.flatten(1).sum(1)
        active = (left > 0) & (misses < tries)
        if not bool(active.any()):
            return hidden
        size = propose(left)
        fits = (size >= 1).all(1) & (size <= plane).all(1) & (size[:, -2:] < plane[-2:]).all(1)
        size = torch.where(fits[:, None], size, torch.ones_like(size))
        box = level(place(size[:, None], shape, generator, whole=True), size[:, None], shape) > 0
        new = (box & ~hidden).flatten(1).sum(1)
        taken = active & fits & (new > 0) & (new <= left)
        hidden |= box & taken.view(batch, *[1] * len(shape))
        misses = torch.where(taken, 0, misses + 1)
