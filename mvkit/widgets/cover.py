"""What hiding looks like on a picture of the screen: tokens covered, dimmed or outlined, roles tinted and hatched.

The same looks as `viz.masks`, for all steps of a clip at once and without matplotlib's drawing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb

from mvkit.viz import style
from mvkit.viz.masks import LOOKS, TINT

OUTLINE = "outline"  # the picture as it is, visible regions outlined
CHOICES = (*LOOKS, OUTLINE)


def covered(pictures: np.ndarray, roles: np.ndarray, names: Sequence[str], look: str) -> np.ndarray:
    """Steps with a mask on them: pictures (t, H, W, 3) uint8, roles (t, h, w) of `viz.masks.role_map` -> (t, H, W, 3).

    H and W are multiples of h and w. names: of the roles, the first is "hidden". look: one of CHOICES.
    """
    values = roles.repeat(pictures.shape[1] // roles.shape[1], 1).repeat(pictures.shape[2] // roles.shape[2], 2)
    drawn = pictures.copy()
    for value, name in enumerate(names[2:], start=2):
        where = values == value
        _mix(drawn, where, style.light(style.colour("role", name)), TINT)
        drawn[where & _hatch(values.shape[1], values.shape[2], value)] = 60
    hidden = values == 0
    if look == OUTLINE:
        _outlined(drawn, ~hidden)
    else:
        colour, strength = LOOKS[look]
        _mix(drawn, hidden, colour, strength)
    return drawn


def _mix(pictures: np.ndarray, where: np.ndarray, colour: str, strength: float) -> None:
    shade = 255 * np.array(to_rgb(colour), np.float32)
    kept = 0 if strength == 1 else (1 - strength) * pictures[where]
    pictures[where] = (kept + strength * shade).round().astype(np.uint8)


def _outlined(pictures: np.ndarray, visible: np.ndarray) -> None:
    """A line just inside every visible region, cased in black so that it shows on anything."""
    inside = visible
    for colour in ("black", style.QUERY, "black"):
        padded = np.pad(inside, ((0, 0), (1, 1), (1, 1)))
        smaller = padded[:, 1:-1, 1:-1].copy()
        for shift in (0, 2):
            smaller &= (
                padded[:, shift : shift + inside.shape[1], 1:-1] & padded[:, 1:-1, shift : shift + inside.shape[2]]
            )
        pictures[inside & ~smaller] = [round(255 * part) for part in to_rgb(colour)]
        inside = smaller


def _hatch(height: int, width: int, value: int) -> np.ndarray:
    """Thin diagonals, one way for the second role, the other way for the third, dots for others."""
    y, x = np.arange(height)[:, None], np.arange(width)
    return ((y + x) % 5 == 0, (y - x) % 5 == 0, (y % 4 == 0) & (x % 4 == 0))[min(value - 2, 2)]
