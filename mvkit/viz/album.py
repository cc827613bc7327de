"""The figures of one run: saved under one folder, each with the facts they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from mvkit.viz.drawing import FigureData
from mvkit.viz.figure import SavedFigure, save


class Album:
    """Keeps figures in `folder`: `album.add("masks", viz.masks.montage(...), caption="...")` saves and shows one.

    facts: what holds for all of them (run, seed, commit, checkpoint). figures: what has been saved, by name.
    """

    def __init__(self, folder: str | Path, **facts: Any) -> None:
        self.folder, self.facts = Path(folder), facts
        self.figures: dict[str, SavedFigure] = {}

    def add(self, name: str, drawn: tuple[Figure, FigureData], *, caption: str, **facts: Any) -> SavedFigure:
        """Save what a drawing function returned; the last value of a cell shows itself. Raises RunError."""
        fig, data = drawn
        saved = save(fig, name, self.folder, data=data, caption=caption, facts={**self.facts, **facts})
        self.figures[name] = saved
        return saved

    def __repr__(self) -> str:
        return f"Album({str(self.folder)!r}: {', '.join(self.figures) or 'empty'})"
