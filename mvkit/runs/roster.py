"""The table of runs as pixels: one line a run, the chosen one marked, as many as fit around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mvkit.runs.listing import Row, differing
from mvkit.viz import style
from mvkit.widgets.canvas import SMALL, TEXT, blend, fitted, raster

LINE, SHOWN, WIDE = 20, 8, 900  # pixels of a line, lines at most, pixels of the table
COLUMNS = {
    "mark": (6, 14),
    "run": (24, 226),
    "state": (256, 76),
    "step": (340, 56),
    "loss": (404, 64),
    "time": (476, 56),
}  # x, width
REST = 540  # x of the parameters in which the runs differ
GREY, MARKED = 236, (214, 232, 244)
COLOURS = {"A": style.BLUE, "B": style.VERMILION}  # of the two runs whose curves are drawn


class Roster:
    """rows: those that fit around the chosen one. picture: (height, WIDE, 3) uint8. note: how many there are."""

    def __init__(self, rows: Sequence[Row], marked: Mapping[str, str]) -> None:
        """rows: all that the filters left, in order. marked: name of a run -> the letter that stands for it."""
        first = next((number for number, row in enumerate(rows) if row.name in marked), 0)
        start = min(max(0, first - SHOWN // 2), max(0, len(rows) - SHOWN))
        self.rows = list(rows[start : start + SHOWN])
        names = differing(rows)
        self.picture = np.full((LINE * (len(self.rows) + 1) + 4, WIDE, 3), 255, np.uint8)
        ends = f"{start + 1} to {start + len(self.rows)} of {len(rows)}"
        heads = {name: name for name in COLUMNS} | {
            "mark": "",
            "run": f"run ({ends})",
            "rest": "parameters that differ",
        }
        self._line(0, heads, TEXT)
        self.picture[:LINE] = np.minimum(self.picture[:LINE], GREY)
        for number, row in enumerate(self.rows, start=1):
            if row.name in marked:
                self.picture[number * LINE : (number + 1) * LINE] = MARKED
            letter = marked.get(row.name, "")
            self._line(number, _words(row, names, letter), SMALL, {"mark": COLOURS.get(letter, "black")})

    def at(self, y: float) -> Row | None:
        """The run on this line of pixels."""
        number = int(y // LINE) - 1
        return self.rows[number] if 0 <= number < len(self.rows) else None

    def _line(self, number: int, words: Mapping[str, str], size: int, colours: Mapping[str, str] | None = None) -> None:
        places = COLUMNS | {"rest": (REST, WIDE - REST - 4)}
        for name, (x, wide) in places.items():
            tall = TEXT if name == "mark" else size
            mask = raster(fitted(words[name], wide, tall), tall)
            y = number * LINE + (LINE - mask.shape[0]) // 2
            blend(self.picture[y : y + mask.shape[0], x : x + mask.shape[1]], mask, (colours or {}).get(name, "black"))


def _words(row: Row, names: Sequence[str], letter: str) -> dict[str, str]:
    return {
        "mark": letter,
        "run": row.name,
        "state": row.state,
        "step": "" if row.step is None else str(row.step),
        "loss": "" if row.loss is None else f"{row.loss:.4g}",
        "time": span(row.seconds) if row.seconds else "",
        "rest": ", ".join(f"{name}={row.options[name]}" for name in names if name in row.options),
    }


def span(seconds: float) -> str:
    """75.2 -> "1:15"; hours where there are any."""
    whole = round(seconds)
    minutes = f"{whole // 60 % 60:02d}:{whole % 60:02d}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{minutes}" if whole >= 3600 else minutes
