"""Masks as the official loaders draw them, from NumPy's legacy generator: one shuffle a clip.

A recording that names a seed can be met to the last place only by the same stream, so these take the legacy
`RandomState(seed)`; training in this kit never does. All give bool arrays over the N tokens of a grid, t-major, True =
hidden; one call is one clip, and clips of a batch are drawn in order from one generator. Counts are truncated shares.
VideoMAE (arXiv:2203.12602), MVD (arXiv:2212.04500), MaskAgain and UMT (arXiv:2303.16058) share `tube`; MVD and UMT
share `random`; AMD (arXiv:2311.03149) draws `nested`.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import RandomState

from mvkit.errors import MaskError
from mvkit.tokens import TokenGrid


class Nested(NamedTuple):
    """AMD's three masks, each (N,) bool. extra: the places the teacher alone sees; True there."""

    student: np.ndarray
    teacher: np.ndarray
    extra: np.ndarray


def tube(grid: TokenGrid, ratio: float, draws: RandomState) -> np.ndarray:
    """(N,) bool: trunc(ratio * h*w) places of a step, the same in every step."""
    return np.tile(_shuffled(grid.places, ratio, draws), grid.t)


def random(grid: TokenGrid, ratio: float, draws: RandomState) -> np.ndarray:
    """(N,) bool: trunc(ratio * N) tokens anywhere in the clip."""
    return _shuffled(grid.tokens, ratio, draws)


def nested(grid: TokenGrid, student: float, teacher: float, draws: RandomState) -> Nested:
    """AMD's triple: tubes, and the teacher hides a subset of what the student hides.

    student, teacher: the ratios. Raises MaskError where the official generator goes wrong without a word: a teacher
    ratio that hides nothing hides everything there, one above the student's eats into what the student may see.
    """
    hidden, both = int(student * grid.places), int(teacher * grid.places)
    if not 0 < both <= hidden:
        raise MaskError(
            f"nested masks want 0 < teacher ratio <= student ratio and at least one place hidden from both; "
            f"{teacher} and {student} of {grid.places} places hide {both} and {hidden}"
        )
    kinds = np.zeros(grid.places)  # 0: seen by both, 1: by the teacher alone, 2: by neither
    kinds[grid.places - hidden :] = 1
    kinds[grid.places - both :] = 2
    draws.shuffle(kinds)
    kinds = np.tile(kinds, grid.t)
    return Nested(kinds > 0, kinds > 1, kinds == 1)


def _shuffled(count: int, ratio: float, draws: RandomState) -> np.ndarray:
    if not 0 <= ratio <= 1:
        raise MaskError(f"a mask hides a share between 0 and 1, got {ratio}")
    hidden = np.zeros(count, dtype=bool)
    hidden[count - int(ratio * count) :] = True
    draws.shuffle(hidden)
    return hidden
