"""A method as boxes and arrows, drawn from the shapes its modules really have.

A `Box` stands at a row and a column of a flow that runs from left to right; on a page too narrow for that the same
diagram runs from top to bottom. Boxes are as large as their text, arrows turn at right angles between them
(`routes.py`), and what does not fit is refused, never squeezed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from mvkit.errors import OptionError, ShapeError, unknown
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.routes import Place, Way, route

NAME, SHAPE = 7.0, 6.2  # points of a box's name and of its shape
PAD, LINE, GAP = 0.055, 0.118, 0.2  # inches around the text of a box, of a line, between boxes at least
WRAPS = (
    (False, 15, 40),
    (True, 15, 40),
    (True, 12, 14),
    (True, 11, 11),
)  # upright, letters in a line of a name, of a shape: in turn


@dataclass(frozen=True)
class Kind:
    """How boxes of one kind look: colour of the frame, its line, rounding in inches, and what the kind means."""

    colour: str
    line: str
    corner: float
    words: str


KINDS = {
    "input": Kind(style.BLACK, "-", 0.0, "data"),
    "mask": Kind(style.HIDDEN, "-", 0.0, "mask"),
    "student": Kind(style.BLUE, "-", 0.05, "student, trained"),
    "teacher": Kind(style.GREEN, "--", 0.05, "teacher, frozen"),
    "decoder": Kind(style.ORANGE, "-", 0.05, "trained, then dropped"),
    "loss": Kind(style.VERMILION, "-", 0.12, "loss"),
}


@dataclass(frozen=True)
class Box:
    """One part. shape: its tensor in words, "(B, 160, 384)"; row, column: its place in the flow, from 0."""

    name: str
    shape: str
    kind: str
    row: int
    column: int


@dataclass(frozen=True)
class Arrow:
    """From the box called `start` to the one called `end`. dashed: no gradient flows back."""

    start: str
    end: str
    dashed: bool = False


@dataclass(frozen=True)
class Diagram:
    """boxes, with names that differ; arrows between them."""

    boxes: Sequence[Box]
    arrows: Sequence[Arrow]


@drawing()
def method(diagram: Any, *, venue: str = "cvpr-full") -> Drawn:
    """Boxes and arrows of a `Diagram` (or of any dataclass or mapping with its fields), with a key of the kinds.

    Raises OptionError for a kind or an end of an arrow it does not know, and for a page too narrow for the rows;
    ShapeError for two boxes in one place.
    """
    boxes = [Box(**box) for box in diagram["boxes"]]
    arrows = [Arrow(**arrow) for arrow in diagram["arrows"]]
    _check(boxes, arrows)
    wide = style.width(venue)
    key = _key(boxes, arrows, wide)
    low = LINE * 1.15 * len(key) + 0.05
    upright, lines, places, width, height = _arranged(boxes, wide)
    if width > wide + 1e-6:
        raise OptionError(f"this diagram needs {width:.1f} inches, {venue} has {wide}: use fewer rows or shorter names")
    wide = max(width, *(sum(_long(words) for _, words in line) for line in key))
    fig = Figure(figsize=(wide, height + low))
    axes = fig.add_axes((0, 0, 1, 1), xlim=(0, wide), ylim=(height + low, 0))
    axes.set_axis_off()
    taken: list[Way] = []
    for arrow in arrows:
        taken.append(route(places, arrow.start, arrow.end, arrow.dashed, upright=upright, taken=taken))
        _arrow(axes, taken[-1].points, arrow.dashed)
    for box in boxes:
        _box(axes, box.kind, lines[box.name], places[box.name])
    for number, line in enumerate(key):
        x, y = 0.02, height + 0.05 + LINE * (1.15 * number + 0.5)
        for look, words in line:
            if look:
                axes.add_patch(_frame(look, x, y - 0.045, 0.17, 0.09))
            else:
                _arrow(axes, [(x, y), (x + 0.18, y)], dashed=True)
            axes.text(x + 0.23, y, words, fontsize=6.5, va="center_baseline")
            x += _long(words)
    flows = ", ".join(f"{arrow.start} to {arrow.end}" for arrow in arrows)
    parts = ", ".join(" ".join([box.name, *box.shape.split()]) for box in boxes)
    return Drawn(fig, f"Diagram of {parts}. Arrows: {flows}.")


def _check(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> None:
    names, spots = [box.name for box in boxes], {(box.row, box.column) for box in boxes}
    if not boxes or len(set(names)) < len(names) or len(spots) < len(boxes):
        raise ShapeError(
            f"a diagram needs boxes with names and places of their own, got {names} in {len(spots)} places"
        )
    for box in boxes:
        if box.kind not in KINDS:
            raise OptionError(unknown("kind of box", box.kind, KINDS))
    for end in (end for arrow in arrows for end in (arrow.start, arrow.end)):
        if end not in names:
            raise OptionError(unknown("box at the end of an arrow", end, names))


def _lines(box: Box, letters: int, digits: int) -> tuple[list[str], list[str]]:
    """The lines of a box's name and of its shape."""
    shapes = [line for part in box.shape.split("\n") for line in textwrap.wrap(part, digits, break_long_words=False)]
    return textwrap.wrap(box.name, letters, break_long_words=False), shapes


def _arranged(
    boxes: Sequence[Box], wide: float
) -> tuple[bool, dict[str, tuple[list[str], list[str]]], dict[str, Place], float, float]:
    """The first arrangement of WRAPS that fits the page, or the last: upright, lines, places, width, height."""
    found = None
    for upright, *wrap in WRAPS:
        lines = {box.name: _lines(box, *wrap) for box in boxes}
        found = (upright, lines, *_placed(boxes, lines, upright, wide))
        if found[3] <= wide + 1e-6:
            break
    assert found is not None
    return found


def _placed(
    boxes: Sequence[Box], lines: Mapping[str, tuple[list[str], list[str]]], upright: bool, wide: float
) -> tuple[dict[str, Place], float, float]:
    """Where each box lies, in inches from the top left, and what the page needs. upright: rows run across the page."""
    size = {}
    for box in boxes:
        names, shapes = lines[box.name]
        words = [style.text_width(line, NAME) for line in names] + [style.text_width(line, SHAPE) for line in shapes]
        side = PAD + KINDS[box.kind].corner * 0.3
        size[box.name] = (max(words) + 2 * side, (len(names) + len(shapes)) * LINE + 2 * PAD)
    across, down = ("row", "column") if upright else ("column", "row")
    between, under = (0.12, GAP) if upright else (GAP, 0.12)
    x, width = _axis([(getattr(box, across), size[box.name][0]) for box in boxes], between, wide)
    y, height = _axis([(getattr(box, down), size[box.name][1]) for box in boxes], under, 0)
    places = {}
    for box in boxes:
        (left, w), (top, h), tall = x[getattr(box, across)], y[getattr(box, down)], size[box.name][1]
        places[box.name] = Place(left, top + (h - tall) / 2, w, tall)
    return places, width, height


def _axis(wanted: Sequence[tuple[int, float]], gap: float, room: float) -> tuple[dict[int, tuple[float, float]], float]:
    """Numbers and sizes along one side of the page -> number -> (start, size), and the whole length.

    What is left of `room` goes to the gaps, up to half an inch each.
    """
    numbers = sorted({number for number, _ in wanted})
    sizes = {number: max(size for at, size in wanted if at == number) for number in numbers}
    needed = sum(sizes.values()) + gap * (len(numbers) - 1) + 0.04
    spare = max(0.0, room - needed) / max(1, len(numbers) - 1)
    gap += min(spare, 0.3)
    start, found = 0.02, {}
    for number in numbers:
        found[number] = (start, sizes[number])
        start += sizes[number] + gap
    return found, start - gap + 0.02


def _box(axes: Axes, kind: str, lines: tuple[list[str], list[str]], at: Place) -> None:
    axes.add_patch(_frame(KINDS[kind], at.x, at.y, at.w, at.h, zorder=3))
    names, shapes = lines
    top = at.y + at.h / 2 - (len(names) + len(shapes)) * LINE / 2
    for number, words in enumerate([*names, *shapes]):
        x, y, small = at.x + at.w / 2, top + (number + 0.5) * LINE, number >= len(names)
        size, shade = (SHAPE, "0.2") if small else (NAME, "black")
        axes.text(x, y, words, ha="center", va="center_baseline", zorder=4, fontsize=size, color=shade)


def _frame(look: Kind, x: float, y: float, w: float, h: float, **more: Any) -> FancyBboxPatch:
    corner = min(look.corner, h / 2 - 0.01)
    shape = f"round,pad=0,rounding_size={corner}" if corner else "square,pad=0"
    pale = style.light(style.light(look.colour)) if look.colour != style.BLACK else "white"
    return FancyBboxPatch(
        (x, y), w, h, boxstyle=shape, facecolor=pale, edgecolor=look.colour, linestyle=look.line, linewidth=0.9, **more
    )


def _arrow(axes: Axes, points: Sequence[tuple[float, float]], dashed: bool) -> None:
    codes = [Path.MOVETO] + [Path.LINETO] * (len(points) - 1)
    axes.add_patch(
        FancyArrowPatch(
            path=Path(points, codes), arrowstyle="-|>,head_length=2.6,head_width=1.5", mutation_scale=1, color="0.25",
            linewidth=0.8, linestyle=(0, (2.5, 1.5)) if dashed else "-", joinstyle="round", shrinkA=0, shrinkB=0,
        )
    )  # fmt: skip


def _key(boxes: Sequence[Box], arrows: Sequence[Arrow], wide: float) -> list[list[tuple[Kind | None, str]]]:
    """The kinds there are, and dashed arrows (None) if any, in lines that fit."""
    there = {box.kind for box in boxes}
    entries: list[tuple[Kind | None, str]] = [(look, look.words) for name, look in KINDS.items() if name in there]
    entries += [(None, "no gradient")] if any(arrow.dashed for arrow in arrows) else []
    lines: list[list[tuple[Kind | None, str]]] = [[]]
    for entry in entries:
        if lines[-1] and sum(_long(words) for _, words in [*lines[-1], entry]) > wide:
            lines.append([])
        lines[-1].append(entry)
    return lines


def _long(words: str) -> float:
    return 0.23 + style.text_width(words, 6.5) + 0.14


def of(boxes: Sequence[Sequence[Any]], arrows: Sequence[Sequence[Any]]) -> Diagram:
    """A diagram from plain rows: (name, shape, kind, row, column) and (start, end[, dashed])."""
    return Diagram([Box(*box) for box in boxes], [Arrow(*arrow) for arrow in arrows])


def shape_of(shape: Sequence[int]) -> str:
    """The shape of a tensor in words, its first side as the batch: (4, 160, 384) -> "(B, 160, 384)"."""
    return f"({', '.join(['B', *map(str, shape[1:])])})"
