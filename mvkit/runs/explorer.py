"""RunExplorer: the runs of a reports folder as a table, the curves of one or two, and their pictures step by step."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mvkit.errors import RunError
from mvkit.runs.listing import ANY, SORTS, Row, chosen
from mvkit.runs.plot import Curve, Panel
from mvkit.runs.roster import COLOURS, WIDE, Roster
from mvkit.runs.shelf import Book, Shelf, fitting
from mvkit.viz import bands
from mvkit.viz.curves import of_journal, parts, parts_of_journal, training
from mvkit.widgets.canvas import LINE, ROW_GAP, TEXT, blend, fitted, raster, stack
from mvkit.widgets.controls import Control
from mvkit.widgets.explorer import CODE, Explorer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mvkit.viz.drawing import FigureData

NONE, STEPS = "none", "at the step"
ACROSS, HIGH, PANELS, TALL = 3, 150, 6, 420  # panels in a row, their pixels, at most; pixels of a picture at most


class RunExplorer(Explorer):
    """Runs as a table; loss, its parts and monitors of the chosen one, beside another; its pictures step by step.

    runs: a reports folder, a run's folder, or several run folders (also those that `fit(out=...)` made). figures: where
    the panel saves. values: of the controls. The table is read once; `refresh()` reads it again. Pictures by step are
    there where training kept them, `fit(..., look=Pictures(folder, draw))`; the figures of a run always.
    Raises RunError where there is no run.
    """

    title: ClassVar[str] = "Runs"
    twin_control = "step"
    structural: ClassVar[frozenset[str]] = frozenset({"search", "state", "notebook", "sort", "run", "beside"})

    def __init__(
        self,
        runs: str | Path | Sequence[str | Path] = "reports",
        *,
        figures: str | Path = "reports/figures",
        **values: Any,
    ) -> None:
        self._runs, self._shelf = runs, Shelf(runs)
        super().__init__(figures=figures, **values)

    def refresh(self) -> None:
        """Read the folder again: new runs, and how the old ones go on. Raises RunError."""
        self._shelf = Shelf(self._runs)
        self.values = self.resolve({})
        for listener in list(self._listeners):
            listener()

    @property
    def controls(self) -> tuple[Control, ...]:
        rows = self._shelf.rows
        filters = {name: self.values[name] for name in ("search", "state", "notebook", "sort") if name in self.values}
        names = tuple(row.name for row in chosen(rows, **filters)) or (NONE,)
        run = str(self.values.get("run")) if self.values.get("run") in names else names[0]
        pair = (run, self.values.get("beside", NONE))
        books = [self._shelf.book(name) for name in pair if name in names and name != NONE]
        steps = sorted({step for book in books for step in book.steps} or {0})
        figures = tuple(books[0].figures) if books else ()
        first = figures[0] if figures and not books[0].pictures else STEPS
        return (
            Control("search", "text", "", help="words that a run must hold: its name, state, or ratio=0.9"),
            Control("state", "choice", ANY, choices=(ANY, *sorted({row.state for row in rows})), help="how it stands"),
            Control("notebook", "choice", ANY, choices=(ANY, *sorted({row.notebook for row in rows})), help="of which"),
            Control("sort", "choice", "newest", choices=tuple(SORTS), label="sorted by", help="order of the table"),
            Control("run", "choice", names[0], choices=names, label="run A", help="its curves are solid and blue"),
            Control("beside", "choice", NONE, choices=(NONE, *(name for name in names if name not in (NONE, run))),
                    label="run B", help="beside it, dashed and red"),
            Control("step", "int", steps[-1], low=0, high=max(1, steps[-1]), step=max(1, gcd(*steps)),
                    help="the step whose values and picture are shown"),
            Control("picture", "choice", first, choices=(STEPS, *figures),
                    help="under the curves: what training kept at its steps, or a figure that the run saved"),
            Control("log", "bool", True, label="logarithmic loss", help="for the loss and its parts"),
        )  # fmt: skip

    def render(self, **values: Any) -> np.ndarray:
        table, books, step, picture = self._table(**values), self._pair(**values), values["step"], values["picture"]
        panels = [side_by_side([panel.picture for panel in line]) for line in panels_of(books, step, values["log"])]
        shown = [
            _picture(letter, book, step, picture, WIDE // len(books) - 4)
            for letter, book in zip("AB", books, strict=False)
        ]
        return stack([table.picture, *(panels or [said("no curve: the journal is empty")]), side_by_side(shown, 8)])

    def describe(self, **values: Any) -> Mapping[str, str]:
        facts = {"runs": f"{len(self._some(**values))} of {len(self._shelf.rows)}"}
        books, step = self._pair(**values), values["step"]
        for letter, book in zip("AB", books, strict=False):
            row = book.row
            facts[f"run {letter}"] = f"{row.name}, {row.state}" + (f" ({row.cause})" if row.cause else "")
            facts[f"{letter} at step {step}"] = (
                ", ".join(f"{name.rpartition('/')[2]} {value:.4g}" for name, value in book.at(step).items())
                or "nothing"
            )
            facts[f"picture of {letter}"] = _caption(book, step, values["picture"])
        if (left_out := len(books[0].curves) - PANELS) > 0:
            facts["not drawn"] = f"{left_out} more curves of the journal"
        metrics = os.path.relpath(books[0].row.folder.metrics)
        facts[CODE] = f"mvkit.train.journal.read(Path({metrics!r}))"
        return facts

    def click(self, x: int, y: int, **values: Any) -> dict[str, Any]:
        """A line of the table chooses its run; a place on a curve chooses its step."""
        table, books = self._table(**values), self._pair(**values)
        if hit := table.at(y):
            return {"run": hit.name} | ({"beside": NONE} if hit.name == values["beside"] else {})
        number, inside = divmod(y - len(table.picture) - ROW_GAP, HIGH + ROW_GAP)
        lines = panels_of(books, values["step"], values["log"])
        if 0 <= number < len(lines) and inside < HIGH and x // (WIDE // ACROSS) < len(lines[number]):
            wanted = lines[number][x // (WIDE // ACROSS)].step_at(x % (WIDE // ACROSS))
            return {"step": min(_steps(books), key=lambda there: abs(there - wanted))}
        return {}

    def key(self, name: str, **values: Any) -> dict[str, Any]:
        """Up and down: the run before and after in the table; left and right: the step; Home and End: its ends."""
        if name in ("ArrowUp", "ArrowDown"):
            names = [row.name for row in self._some(**values) if row.name != values["beside"]]
            at = names.index(values["run"]) + (1 if name == "ArrowDown" else -1)
            return {"run": names[at]} if 0 <= at < len(names) else {}
        step, steps = values["step"], _steps(self._pair(**values))
        goals = {"Home": steps[:1], "End": steps[-1:], "ArrowLeft": [s for s in steps if s < step][-1:],
                 "ArrowRight": [s for s in steps if s > step][:1]}.get(name, [])  # fmt: skip
        return {"step": goals[0]} if goals else {}

    def figure(self, **values: Any) -> tuple[Figure, FigureData]:
        """Loss, monitors and rate of a run; of one whose loss has several parts, these; of two runs, both in panels."""
        books, log = self._pair(**values), values["log"]
        if len(books) > 1:
            journals = {book.row.name: [book.lines] for book in books}
            return bands.seeds(**bands.of_journals(journals, list(books[0].curves)), log=["loss"] if log else [])
        if sum(name.startswith("part/") for name in books[0].curves) > 1:
            return parts(**parts_of_journal(books[0].lines), log=log)
        return training(**of_journal(books[0].lines), log=log)

    def _some(self, search: str, state: str, notebook: str, sort: str, **rest: Any) -> list[Row]:
        if rows := chosen(self._shelf.rows, search=search, state=state, notebook=notebook, sort=sort):
            return rows
        asked = {"search": search, "state": state, "notebook": notebook}
        words = ", ".join(f"{name} '{value}'" for name, value in asked.items() if value not in ("", ANY))
        raise RunError(f"none of {len(self._shelf.rows)} runs fits {words}: take less of it")

    def _pair(self, run: str, beside: str, **rest: Any) -> list[Book]:
        return [self._shelf.book(name) for name in (run, beside) if name != NONE]

    def _table(self, run: str, beside: str, **filters: Any) -> Roster:
        return Roster(self._some(**filters), {run: "A", beside: "B"})


def panels_of(books: Sequence[Book], step: int, log: bool) -> list[list[Panel]]:
    """Rows of panels, one a curve of the first run; the other's in the same axes."""
    last, made = _steps(books)[-1], []
    for name in list(books[0].curves)[:PANELS]:
        curves = [
            Curve(*book.curves[name], COLOURS[letter], dashed=letter == "B")
            for letter, book in zip("AB", books, strict=False)
            if name in book.curves
        ]
        title = name.removeprefix("part/").removeprefix("monitor/").replace("/", " ").replace("_", " ")
        logarithmic = log and not name.startswith("monitor/")
        made.append(Panel((HIGH, WIDE // ACROSS), title, curves, last, step, log=logarithmic))
    return [made[start : start + ACROSS] for start in range(0, len(made), ACROSS)]


def _steps(books: Sequence[Book]) -> list[int]:
    return sorted({step for book in books for step in book.steps})


def _picture(letter: str, book: Book, step: int, which: str, wide: int) -> np.ndarray:
    """The picture asked for with a line of words above it."""
    found = (book.picture(step) or (0, None))[1] if which == STEPS else book.figures.get(which)
    words = said(f"{letter}: {_caption(book, step, which)}", wide)
    return stack([words, fitting(found, (TALL, wide), found.stat().st_mtime_ns)], 2) if found else words


def _caption(book: Book, step: int, which: str) -> str:
    if which != STEPS:
        return which if which in book.figures else f"no figure '{which}' in this run"
    if found := book.picture(step):
        return f"kept at step {found[0]}"
    return "no picture kept up to this step" if book.pictures else "no pictures kept: fit(..., look=Pictures(...)) does"


def said(words: str, wide: int = WIDE) -> np.ndarray:
    """A line of words on white."""
    line = np.full((LINE, wide, 3), 255, np.uint8)
    mask = raster(fitted(words, wide - 8, TEXT))
    blend(line[: mask.shape[0], 4 : 4 + mask.shape[1]], mask)
    return line


def side_by_side(pictures: Sequence[np.ndarray], gap: int = 0) -> np.ndarray:
    """Pictures side by side on white."""
    tall = max(len(picture) for picture in pictures)
    padded = [np.pad(p, ((0, tall - len(p)), (0, gap), (0, 0)), constant_values=255) for p in pictures]
    return np.concatenate(padded, 1)
