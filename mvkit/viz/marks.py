"""Tokens marked on a picture: hidden, tinted, hatched, outlined. Axes span 0 to 1 with the first row on top.

A mark never hangs on hue alone: what is tinted is hatched too, and every region has an outline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from mvkit.errors import ShapeError
from mvkit.tokens import TokenGrid
from mvkit.viz import style

HATCHES = ("", "/" * 9, "." * 9, "\\" * 9)  # of the roles that see a token, in order


@dataclass(frozen=True)
class Swatch:
    """One entry of a key: what a look means. face: its colour, white for the picture as it is, "" for words alone."""

    words: str
    face: str = "white"
    edge: str = "black"
    hatch: str = ""


def tint(picture: np.ndarray, where: np.ndarray, colour: str, strength: float) -> np.ndarray:
    """picture (H, W, 3) uint8 with the colour mixed in where `where` (H, W) is True; strength 1 covers it."""
    mixed = picture.astype(np.float32)
    mixed[where] = (1 - strength) * mixed[where] + strength * 255 * np.array(to_rgb(colour), np.float32)
    return mixed.round().astype(np.uint8)


def enlarge(tokens: np.ndarray, height: int, width: int) -> np.ndarray:
    """One value per token (h, w) -> per pixel (H, W), nearest. Raises ShapeError if the pixels do not divide."""
    h, w = tokens.shape
    if height % h or width % w:
        raise ShapeError(f"frames of {height}x{width} pixels do not divide into {h}x{w} tokens")
    return tokens.repeat(height // h, axis=0).repeat(width // w, axis=1)


def hatch(axes: Axes, where: np.ndarray, pattern: str, colour: str) -> None:
    """Hatch the tokens where `where` (h, w) is True."""
    if not where.any() or not pattern:
        return
    (h, w), corners = where.shape, np.argwhere(where)
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
    points = (corners[:, None, ::-1] + square) / (w, h)
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(corners))
    path = Path(points.reshape(-1, 2), codes)
    axes.add_patch(PathPatch(path, facecolor="none", edgecolor=colour, hatch=pattern, linewidth=0))


def border(axes: Axes, where: np.ndarray, colour: str, *, cased: bool = False) -> None:
    """Outline the regions where `where` (h, w) is True; cased: in black, so that it shows on anything."""
    h, w = where.shape
    framed = np.pad(where, 1)
    flat, upright = framed[1:, 1:-1] != framed[:-1, 1:-1], framed[1:-1, 1:] != framed[1:-1, :-1]
    lines = [((x / w, y / h), ((x + 1) / w, y / h)) for y, x in np.argwhere(flat)]
    lines += [((x / w, y / h), (x / w, (y + 1) / h)) for y, x in np.argwhere(upright)]
    looks = [(1.3, "black"), (0.7, colour)] if cased else [(0.7, colour)]
    for linewidth, shade in looks:
        axes.add_collection(
            LineCollection(lines, colors=shade, linewidths=linewidth, capstyle="projecting"), autolim=False
        )


def outline(axes: Axes, grid: TokenGrid, y: int, x: int, *, colour: str = style.QUERY) -> None:
    """A square around token (y, x), cased in black so that it shows on anything."""
    out = 0.12  # of a token: drawn just outside, a token of 5 points would vanish under its own outline
    corner, size = ((x - out) / grid.w, (y - out) / grid.h), ((1 + 2 * out) / grid.w, (1 + 2 * out) / grid.h)
    for line, edge in ((2.0, "black"), (1.0, colour)):
        axes.add_patch(
            Rectangle(corner, *size, fill=False, edgecolor=edge, linewidth=line, joinstyle="miter", clip_on=False)
        )
