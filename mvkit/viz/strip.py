"""Rows of pictures at printed size: the page geometry that film strips, reconstructions and heat maps share.

Everything is placed in inches from the top left, so cells are equal, gaps are what we say, and nothing is rescaled to
make room for a label.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mvkit.errors import ShapeError
from mvkit.tokens import TokenGrid
from mvkit.viz import style

GAP = 0.03  # inches between cells
LARGEST = 0.85  # inches of a cell: a few steps do not fill a page
BETWEEN = 0.09  # more of it between groups of columns
LINE = 0.125  # inches of one line of text
LETTER = 0.057  # inches of a letter of a label, and at most so many in a line of it:
WRAP = 15
SWATCH = 0.1


class Strip:
    """A figure of rows x columns cells with labels at the left, titles above and room for text below rows.

    shape: (H, W) of what a cell shows, for its proportions. groups: columns fall into so many equal groups with a wider
    gap between. labels: what will stand left of the rows, so that the margin fits them. under: the rows with so
    many lines of text below. bar: inches at the right for a colour bar. titles: lines of words above the columns.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        *,
        shape: tuple[int, int],
        venue: str,
        groups: int = 1,
        labels: Sequence[str] = (),
        swatch: bool = False,
        under: Collection[int] = (),
        lines: int = 1,
        bar: float = 0.0,
        titles: int = 1,
    ) -> None:
        if rows < 1 or columns < 1 or columns % groups:
            raise ShapeError(
                f"a strip needs cells in equal groups, got {rows} rows and {columns} columns in {groups} groups"
            )
        indent = SWATCH if swatch else 0.0
        self.wrapped = [textwrap.wrap(label, WRAP, break_long_words=False) for label in labels]
        longest = max((len(line) for lines in self.wrapped for line in lines), default=0)
        self.indent, left = indent, (indent + longest * LETTER + 0.08 if labels else 0.01)
        gaps, between = (columns - 1) * GAP + (groups - 1) * BETWEEN, columns // groups
        free = style.width(venue) - left - bar - gaps - 0.01
        self.cell = min(free / columns, LARGEST)
        self.tall = self.cell * shape[0] / shape[1]
        self.width = left + bar + columns * self.cell + gaps + 0.01
        self.bar, self.top, self.titles = bar, titles * LINE + 0.03 if titles else 0.02, titles
        pitches = [self.tall + (lines * LINE + 0.06 if row in under else GAP) for row in range(rows)]
        self.rows_y = [self.top + sum(pitches[:row]) for row in range(rows)]
        self.height = self.top + sum(pitches) + (0.03 if bar else 0)
        self.fig = Figure(figsize=(self.width, self.height))
        self._cells: dict[tuple[int, int], Axes] = {}
        self.x = [left + column * (self.cell + GAP) + column // between * BETWEEN for column in range(columns)]

    def place(self, x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        """Inches from the top left -> the fractions matplotlib wants."""
        return x / self.width, 1 - (y + h) / self.height, w / self.width, h / self.height

    def cell_axes(self, row: int, column: int) -> Axes:
        axes = self.fig.add_axes(self.place(self.x[column], self.rows_y[row], self.cell, self.tall))
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, linewidth=0.3, color="0.35")
        self._cells[row, column] = axes
        return axes

    def column_axes(self, column: int) -> list[Axes]:
        """The cells of a column made so far, from the top."""
        return [axes for (_, at), axes in sorted(self._cells.items(), key=lambda item: item[0]) if at == column]

    def show(self, row: int, column: int, picture: np.ndarray, **options: Any) -> Axes:
        """A picture (H, W, 3) or a map (h, w), whose NaN show as hatched grey."""
        axes = self.cell_axes(row, column)
        if picture.ndim == 2:
            axes.patch.set(facecolor=style.EMPTY, hatch="//////", edgecolor="0.6", linewidth=0)
            picture = np.ma.masked_invalid(picture)
        axes.imshow(picture, aspect="auto", extent=(0, 1, 1, 0), **options)
        return axes

    def text(self, x: float, y: float, words: str, **options: Any) -> None:
        """Words at inches from the top left."""
        self.fig.text(x / self.width, 1 - y / self.height, words, **options)

    def label(self, row: int, *, colour: str | None = None, note: str | None = None) -> None:
        """The label of a row; a swatch of the colour that stands for it before, a note in grey below."""
        lines = self.wrapped[row]
        middle = self.rows_y[row] + self.tall / 2
        if colour:
            box = self.place(0.01, middle - 0.04, 0.07, 0.08)
            look = {"facecolor": colour, "edgecolor": "black", "linewidth": 0.3, "transform": self.fig.transFigure}
            self.fig.add_artist(Rectangle(box[:2], box[2], box[3], **look))
        left, first = self.indent + 0.01, middle - len(lines) * 0.055 - (0.05 if note else 0)
        self.text(left, first, "\n".join(lines), va="top", linespacing=1.05)
        if note:
            self.text(left, first + len(lines) * 0.115 + 0.02, note, va="top", fontsize=6.5, color="0.25")

    def title(self, column: int, words: str, *, span: int = 1) -> None:
        """Words above a column, or above `span` columns from it."""
        left, right = self.x[column], self.x[column + span - 1] + self.cell
        if span > 1:
            lines = textwrap.wrap(
                words, max(8, int((right - left) / LETTER)), max_lines=self.titles, placeholder=" ..."
            )
            words = "\n".join(lines)
        self.text((left + right) / 2, self.top - 0.035, words, ha="center", va="bottom", linespacing=1.05)

    def under(self, row: int, words: str, *, column: int = 0) -> None:
        """Words under a row, from a column on."""
        below = self.rows_y[row] + self.tall + 0.025
        self.text(self.x[column], below, words, va="top", fontsize=6.5, color="0.2", linespacing=1.1)

    def letters(self, columns: int) -> int:
        """How many letters of text below fit under so many columns."""
        return max(8, int((self.x[columns - 1] + self.cell - self.x[0]) / (LETTER * 0.9)))

    def colour_bar(self, first: int, last: int, drawn: Any, words: str) -> None:
        """One colour bar for rows first..last, right of them."""
        top, bottom = self.rows_y[first], self.rows_y[last] + self.tall
        tall = min(bottom - top, 1.5)
        box = self.place(self.x[-1] + self.cell + 0.06, (top + bottom - tall) / 2, 0.07, tall)
        axes = self.fig.add_axes(box)
        bar = self.fig.colorbar(drawn, cax=axes)
        bar.outline.set_linewidth(0.3)  # type: ignore[operator]
        self.text(self.width - 0.01, (top + bottom) / 2, words, rotation=90, ha="right", va="center", fontsize=6.5)
        axes.tick_params(labelsize=6)
        axes.locator_params(axis="y", nbins=4)


def outline(axes: Axes, grid: TokenGrid, y: int, x: int, *, colour: str = style.QUERY, wide: float = 1.0) -> None:
    """A square around token (y, x) in axes that span 0 to 1, cased in black so that it shows on anything."""
    out = 0.12  # of a token: drawn just outside, a token of 5 points would vanish under its own outline
    corner, size = ((x - out) / grid.w, (y - out) / grid.h), ((1 + 2 * out) / grid.w, (1 + 2 * out) / grid.h)
    for line, edge in ((wide + 1.0, "black"), (wide, colour)):
        axes.add_patch(
            Rectangle(corner, *size, fill=False, edgecolor=edge, linewidth=line, joinstyle="miter", clip_on=False)
        )


def enlarge(tokens: np.ndarray, height: int, width: int) -> np.ndarray:
    """One value per token (h, w) -> per pixel (H, W), nearest. Raises ShapeError if the pixels do not divide."""
    h, w = tokens.shape
    if height % h or width % w:
        raise ShapeError(f"frames of {height}x{width} pixels do not divide into {h}x{w} tokens")
    return tokens.repeat(height // h, axis=0).repeat(width // w, axis=1)


def tint(picture: np.ndarray, where: np.ndarray, colour: str, strength: float) -> np.ndarray:
    """picture (H, W, 3) uint8 with the colour mixed in where `where` (H, W) is True; strength 1 covers it."""
    mixed = picture.astype(np.float32)
    mixed[where] = (1 - strength) * mixed[where] + strength * 255 * np.array(to_rgb(colour), np.float32)
    return mixed.round().astype(np.uint8)


def chosen_steps(steps: int, columns: int | None) -> list[int]:
    """Which of `steps` to show in at most `columns` cells: evenly spread, first and last among them."""
    count = min(steps, columns or steps)
    return sorted({round(i * (steps - 1) / max(1, count - 1)) for i in range(count)})
