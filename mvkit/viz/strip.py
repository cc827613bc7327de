"""Rows of pictures at printed size: the page geometry that film strips, reconstructions and heat maps share.

Everything is placed in inches from the top left, so cells are equal, gaps are what we say, and nothing is rescaled to
make room for a label.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.marks import Swatch

GAP = 0.03  # inches between cells
LARGEST = 0.85  # inches of a cell: a few steps do not fill a page
BETWEEN = 0.09  # more of it between groups of columns
LINE = 0.125  # inches of one line of text
LETTER = 0.057  # inches of a letter of a label, and at most so many in a line of it:
WRAP = 15
SWATCH = 0.1
AFTER = 0.13  # inches between two entries of a key


class Strip:
    """A figure of rows x columns cells with labels at the left, titles above and room for text below rows.

    shape: (H, W) of what a cell shows, for its proportions. groups: columns fall into so many equal groups with a wider
    gap between. labels: what will stand left of the rows, notes: label -> a smaller text below it; the margin fits
    them. under: row -> lines of text kept free below it. keys: row -> what its looks mean, drawn below it in as many
    lines as that takes. bar: inches at the right for a colour bar. titles: lines of words above the columns.
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
        notes: Mapping[str, str] | None = None,
        under: Mapping[int, int] | None = None,
        keys: Mapping[int, Sequence[Swatch]] | None = None,
        bar: float = 0.0,
        titles: int = 1,
    ) -> None:
        if rows < 1 or columns < 1 or columns % groups:
            raise ShapeError(
                f"a strip needs cells in equal groups, got {rows} rows and {columns} columns in {groups} groups"
            )
        self.indent = SWATCH if swatch else 0.0
        self.wrapped = [textwrap.wrap(label, WRAP, break_long_words=False) for label in labels]
        self.notes = [(notes or {}).get(label, "") for label in labels]
        words = [style.text_width("\n".join(lines)) for lines in self.wrapped]
        words += [style.text_width(note, 6.5) for note in self.notes]
        left = self.indent + max(words) + 0.08 if words else 0.01
        gaps, between = (columns - 1) * GAP + (groups - 1) * BETWEEN, columns // groups
        free = style.width(venue) - left - bar - gaps - 0.01
        self.cell = min(free / columns, LARGEST)
        self.tall = self.cell * shape[0] / shape[1]
        words = [_wide(entry) - AFTER + 0.05 for key in (keys or {}).values() for entry in key]
        self.width = left + max(bar + columns * self.cell + gaps, *words, 0) + 0.01  # one cell is narrower than its key
        self.bar, self.top, self.titles = bar, titles * LINE + 0.03 if titles else 0.02, titles
        entries = {row: broken(key, self.width - left) for row, key in (keys or {}).items()}
        lines = {row: len(key) for row, key in entries.items()} | dict(under or {})
        # A label taller than its row stands in the middle of it, with room above and below.
        spare = [max(0.0, self._label_height(row) - self.tall) / 2 for row in range(rows)]
        pitches = [
            self.tall + 2 * spare[row] + (lines[row] * LINE + 0.06 if lines.get(row) else GAP) for row in range(rows)
        ]
        self.rows_y = [self.top + sum(pitches[:row]) + spare[row] for row in range(rows)]
        self.height = self.top + sum(pitches) + (0.03 if bar else 0)
        self.fig = Figure(figsize=(self.width, self.height))
        for row, key in entries.items():
            for number, line in enumerate(key):
                self._swatches(line, left, self.rows_y[row] + self.tall + 0.03 + number * LINE)
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
            show_missing(axes)
            picture = np.ma.masked_invalid(picture)
        axes.imshow(picture, aspect="auto", extent=(0, 1, 1, 0), **options)
        return axes

    def text(self, x: float, y: float, words: str, **options: Any) -> None:
        """Words at inches from the top left."""
        self.fig.text(x / self.width, 1 - y / self.height, words, **options)

    def _label_height(self, row: int) -> float:
        if row >= len(self.wrapped):
            return 0.0
        note = self.notes[row]
        return 0.03 + len(self.wrapped[row]) * 0.115 + (0.02 + 0.1 * (note.count("\n") + 1) if note else 0)

    def label(self, row: int, *, colour: str | None = None) -> None:
        """The label of a row, its note in grey below; a swatch of the colour that stands for it before."""
        lines, note = self.wrapped[row], self.notes[row]
        middle = self.rows_y[row] + self.tall / 2
        if colour:
            box = self.place(0.01, middle - 0.04, 0.07, 0.08)
            look = {"facecolor": colour, "edgecolor": "black", "linewidth": 0.3, "transform": self.fig.transFigure}
            self.fig.add_artist(Rectangle(box[:2], box[2], box[3], **look))
        left, first = self.indent + 0.01, middle - len(lines) * 0.055 - (note.count("\n") + 1) * 0.05 * bool(note)
        self.text(left, first, "\n".join(lines), va="top", linespacing=1.05)
        if note:
            below = first + len(lines) * 0.115 + 0.02
            self.text(left, below, note, va="top", fontsize=6.5, color="0.25", linespacing=1.05)

    def title(self, column: int, words: str, *, span: int = 1) -> None:
        """Words above a column, or above `span` columns from it."""
        left, right = self.x[column], self.x[column + span - 1] + self.cell
        if span > 1:
            lines = textwrap.wrap(
                words, max(8, int((right - left) / LETTER)), max_lines=self.titles, placeholder=" ..."
            )
            words = "\n".join(lines)
        self.text((left + right) / 2, self.top - 0.035, words, ha="center", va="baseline", linespacing=1.05)

    def under(self, row: int, words: str, *, column: int = 0, line: int = 0) -> None:
        """Words under a row, from a column on and from a line of small text on."""
        below = self.rows_y[row] + self.tall + 0.025 + line * 6.5 * 1.25 / 72
        self.text(self.x[column], below, words, va="top", fontsize=6.5, color="0.2", linespacing=1.1)

    def _swatches(self, entries: Sequence[Swatch], x: float, y: float) -> None:
        for entry in entries:
            at = x + (SWATCH + 0.04 if entry.face else 0)
            if entry.face:
                box = self.place(x, y + 0.015, SWATCH, SWATCH)
                look = {"facecolor": entry.face, "edgecolor": entry.edge, "hatch": entry.hatch, "linewidth": 0.5}
                self.fig.add_artist(Rectangle(box[:2], box[2], box[3], transform=self.fig.transFigure, **look))
            self.text(at, y + 0.065, entry.words, va="center_baseline", fontsize=6.5, color="0.2")
            x += _wide(entry)

    def letters(self, columns: int) -> int:
        """How many letters of text below fit under so many columns."""
        return max(8, int((self.x[columns - 1] + self.cell - self.x[0]) / (LETTER * 0.9)))

    def colour_bar(self, first: int, last: int, drawn: Any, words: str) -> None:
        """One colour bar for rows first..last, right of them."""
        top, bottom = self.rows_y[first], self.rows_y[last] + self.tall
        tall = min(bottom - top, 1.5)
        box = self.place(self.x[-1] + self.cell + 0.06, (top + bottom - tall) / 2, 0.07, tall)
        colour_bar(self.fig, drawn, box).tick_params(labelsize=6)
        self.text(self.width - 0.01, (top + bottom) / 2, words, rotation=90, ha="right", va="center", fontsize=6.5)


def show_missing(axes: Axes) -> None:
    """Hatched grey, wherever a picture on these axes has nothing."""
    axes.patch.set(facecolor=style.EMPTY, hatch="//////", edgecolor="0.6", linewidth=0)


def colour_bar(
    fig: Figure, drawn: Any, box: tuple[float, float, float, float], words: str = "", *, ticks: int = 4
) -> Axes:
    """The colours of a drawn image in a box of the page, in fractions of it; at most so many ticks or one more."""
    axes = fig.add_axes(box)
    fig.colorbar(drawn, cax=axes).outline.set_linewidth(0.3)  # type: ignore[operator]
    axes.set_ylabel(words, fontsize=6.5)
    axes.locator_params(axis="y", nbins=ticks)
    return axes


def broken(key: Sequence[Swatch], width: float) -> list[list[Swatch]]:
    """A key broken into lines of at most so many inches."""
    lines: list[list[Swatch]] = []
    for entry in key:
        if not lines or sum(map(_wide, lines[-1])) + _wide(entry) > width + AFTER:
            lines.append([])
        lines[-1].append(entry)
    return lines


def _wide(entry: Swatch) -> float:
    return (SWATCH + 0.04) * bool(entry.face) + style.text_width(entry.words, 6.5) + AFTER
