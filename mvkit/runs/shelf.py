"""What the runs on a shelf have to show: journals as curves, pictures by step, figures; each file read once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mvkit.errors import RunError, unknown
from mvkit.runs.listing import Row, rows_of
from mvkit.runs.pictures import Pictures
from mvkit.train import journal


class Shelf:
    """runs: a reports folder, or run folders one by one. rows: newest first. Raises RunError where there is none."""

    def __init__(self, runs: str | Path | Sequence[str | Path]) -> None:
        self.rows = rows_of(runs)

    @cached_property
    def _books(self) -> dict[str, Book]:
        return {row.name: Book(row) for row in self.rows}

    def book(self, name: str) -> Book:
        """One run. Raises RunError for a name that is not on the shelf."""
        if name not in self._books:
            raise RunError(unknown("run", name, self._books))
        return self._books[name]


class Book:
    """One run: row, how it stands; everything else is read when it is first asked for."""

    def __init__(self, row: Row) -> None:
        self.row = row

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """Its journal."""
        return journal.read(self.row.folder.metrics)

    @cached_property
    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Steps and finite values of the loss, its parts and the monitors, by name in the journal."""
        found: dict[str, list[tuple[float, float]]] = {}
        for line in self.lines:
            for name, value in line.items():
                measure = name == "loss" or name.startswith(("part/", "monitor/"))
                if measure and isinstance(value, int | float) and isfinite(value):
                    found.setdefault(name, []).append((line["step"], value))
        order = sorted(found, key=lambda name: (name != "loss", not name.startswith("part/")))
        return {name: (np.array(found[name])[:, 0], np.array(found[name])[:, 1]) for name in order}

    @cached_property
    def pictures(self) -> dict[int, Path]:
        """What training kept, by step."""
        return Pictures(self.row.folder.path / "pictures").steps()

    @cached_property
    def figures(self) -> dict[str, Path]:
        """The figures that the run saved, by name."""
        return {path.stem: path for path in sorted(self.row.folder.figures.glob("*.png"))}

    @cached_property
    def steps(self) -> list[int]:
        """Every step with a value or a picture, and 0."""
        return sorted({0, *self.pictures, *(int(step) for steps, _ in self.curves.values() for step in steps)})

    def at(self, step: int) -> dict[str, float]:
        """The last value of each curve up to this step."""
        return {
            name: float(values[steps <= step][-1]) for name, (steps, values) in self.curves.items() if steps[0] <= step
        }

    def picture(self, step: int) -> tuple[int, Path] | None:
        """The picture of this step, or of the last one before it that has one."""
        kept = [at for at in self.pictures if at <= step]
        return (kept[-1], self.pictures[kept[-1]]) if kept else None


@lru_cache(maxsize=128)
def fitting(path: Path, size: tuple[int, int], changed: int) -> np.ndarray:
    """A picture in a file, made smaller where it is larger than (height, width). changed: its mtime, in ns."""
    try:
        with Image.open(path) as file:
            picture = file.convert("RGB")
    except OSError as err:
        raise RunError(f"{path.name} cannot be shown: {err}") from None
    share = min(size[0] / picture.height, size[1] / picture.width, 1.0)
    if share < 1:
        picture = picture.resize((max(1, int(picture.width * share)), max(1, int(picture.height * share))))
    return np.asarray(picture)
