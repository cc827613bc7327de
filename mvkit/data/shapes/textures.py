"""Pixels of patterns and figures: periodic two-colour textures, and how much of a pixel a figure covers.

A pattern is a sum or product of plane waves, and a plane wave over a moving pixel grid factors into a row part and a
column part: cos(a + b) = cos a cos b - sin a sin b. Cosines are taken of 2*T*size numbers instead of T*size*size.
"""

import numpy as np

from mvkit.data.shapes.scene import Texture

# Edges of stripes and checks: 0.5 + 0.9 * wave clipped to [0, 1] is between a sine and a square wave.
_EDGE = 0.9


def _wave(xs: np.ndarray, ys: np.ndarray, angle: float, period: float, phase: float) -> np.ndarray:
    """xs (T, W), ys (T, H) pixel places -> (T, H, W) float32 in [-1, 1]."""
    turn = 2 * np.pi / period
    a = turn * np.cos(angle) * xs + 2 * np.pi * phase
    b = turn * np.sin(angle) * ys
    # Rounding hides last-bit differences between mathematics libraries, so that a seed gives the same pixels anywhere.
    cos_a, sin_a, cos_b, sin_b = (np.round(f(v), 6).astype(np.float32) for v in (a, b) for f in (np.cos, np.sin))
    wave = cos_b[:, :, None] * cos_a[:, None, :]
    wave -= sin_b[:, :, None] * sin_a[:, None, :]
    return wave


def pattern(texture: Texture, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """How much of the first colour each pixel has. xs (T, W), ys (T, H) -> (T, H, W) uint8, 255 = all of it."""
    first = _wave(xs, ys, texture.angle, texture.period, texture.phases[0])
    if texture.kind != "striped":
        second = _wave(xs, ys, texture.angle + np.pi / 2, texture.period, texture.phases[1])
        if texture.kind == "checkered":
            first *= second
            first *= 1.6  # a product of two waves is flatter than one
        else:  # dotted: round islands of the first colour where both waves are high
            first += second
            first -= 0.6
    first *= 255 * _EDGE
    first += 127.5
    return np.clip(first, 0, 255, out=first).astype(np.uint8)


def two_colours(levels: np.ndarray, first: tuple[int, ...], second: tuple[int, ...]) -> np.ndarray:
    """levels (T, H, W) uint8 -> (T, H, W, 3) uint8, from the second colour at 0 to the first at 255."""
    share = np.arange(256)[:, None] / 255
    table = np.rint(share * np.array(first) + (1 - share) * np.array(second)).astype(np.uint8)
    return table[levels]


def coverage(shape: str, side: float, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Share of each pixel inside a figure. u (T, W), v (T, H) pixels from its centre -> (T, H, W) float32 in [0, 1]."""
    x, y, r = np.abs(u.astype(np.float32))[:, None, :], v.astype(np.float32)[:, :, None], np.float32(side / 2)
    if shape == "circle":
        inside = r - np.sqrt(x * x + y * y)
    elif shape == "square":
        inside = 0.9 * r - np.maximum(x, np.abs(y))
    elif shape == "triangle":  # apex at the top, base as wide as the box
        inside = np.minimum(0.9 * r - y, ((y + r) * r - x * (1.9 * r)) / np.float32(r * (1 + 1.9**2) ** 0.5))
    elif shape == "cross":
        arm, y = np.float32(0.38 * r), np.abs(y)
        inside = np.maximum(np.minimum(arm - x, r - y), np.minimum(r - x, arm - y))
    else:
        raise AssertionError(f"no figure named {shape}")
    return np.clip(inside + np.float32(0.5), 0, 1)
