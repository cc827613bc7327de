"""The figures of a paper, family by family: what runs have drawn, redrawn for one venue, and what is drawn for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from mvkit.errors import OptionError, unknown
from mvkit.viz import latex, style
from mvkit.viz.drawing import FigureData
from mvkit.viz.figure import save
from mvkit.viz.latex import Exported
from mvkit.viz.saved import SavedFigure, below, runs_of


@dataclass(frozen=True)
class Family:
    """rooms: the modules of mvkit.viz that draw it. notebook: one whose runs leave such figures."""

    rooms: tuple[str, ...]
    notebook: str


FAMILIES = {
    "clips": Family(("clips", "captions"), "00_quickstart"),
    "masks": Family(("masks",), "00_quickstart"),
    "dashboard": Family(("dashboard",), "01_masking_explorer"),
    "reconstruction": Family(("reconstruction",), "00_quickstart"),
    "attention": Family(("attention", "heads"), "00_quickstart"),
    "similarity": Family(("similarity", "lags", "layers"), "00_quickstart"),
    "features": Family(("features", "embedding"), "03_mvd"),
    "curves": Family(("curves", "bands"), "00_quickstart"),
    "scores": Family(("scores", "cost", "outcome"), "00_quickstart"),
    "examples": Family(("verdicts", "detections", "gallery", "hidden_words"), "10_evaluate"),
    "diagram": Family(("diagram",), "02_videomae"),
}


@dataclass(frozen=True)
class Pages:
    """Exported figures below each other, and what is to be said of them."""

    figures: tuple[Exported, ...]
    words: str = ""

    def __repr__(self) -> str:
        return "\n".join([*map(repr, self.figures), *([self.words] if self.words else [])])

    def _repr_html_(self) -> str:
        words = f"<p>{escape(self.words)}</p>" if self.words else ""
        return "".join(figure._repr_html_() for figure in self.figures) + words


class Paper:
    """Everything in one folder, drawn at the width of one venue, with its LaTeX.

        paper = Paper("paper/figures", kit="cvpr", sources={run.name: run.figures for run in find_runs(reports)})
        paper.take("scores")

    kit, width: as `style.venue` takes them. sources: name of a run, <notebook>/<id> -> its folder of figures, those to
    be preferred first. facts: what holds for the figures drawn here. exported: by name, what there is so far. missing:
    families that were asked for and not there, and the command that makes one.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        kit: str,
        width: str = "auto",
        sources: Mapping[str, Path] | None = None,
        **facts: Any,
    ) -> None:
        style.venue(kit, width)
        self.folder, self.kit, self.width, self.facts = Path(folder), kit, width, facts
        self.sources = {run: below(figures) for run, figures in (sources or {}).items()}
        self.exported: dict[str, Exported] = {}
        self.missing: dict[str, str] = {}

    def take(self, family: str) -> Pages:
        """The figures of a family from the first run that has any, exported as <notebook>-<name>.

        A drawing that does not fit the venue is left out and the reason said. Raises OptionError for a family it does
        not know.
        """
        if family not in FAMILIES:
            raise OptionError(unknown("family of figures", family, FAMILIES))
        for run, figures in self.sources.items():
            mine = [figure for figure in figures if family_of(figure) == family]
            if mine:
                return self._export(run, mine)
        self.missing[family] = f"mvkit run {FAMILIES[family].notebook}"
        return Pages((), f"No run here has a figure of the family '{family}': `{self.missing[family]}` makes one.")

    def add(self, name: str, drawn: tuple[Figure, FigureData], *, caption: str, **facts: Any) -> Pages:
        """Save and export what a drawing function has just returned."""
        fig, data = drawn
        venue = style.venue(self.kit, self.width, data.venue)
        facts = {**self.facts, **facts}
        saved = save(fig, name, self.folder, data=data, caption=caption, facts=facts, venue=venue)
        self.exported[name] = latex.write_snippet(saved)
        return Pages((self.exported[name],))

    def _export(self, run: str, figures: list[SavedFigure]) -> Pages:
        made, words = [], [f"From run {run}."]
        for figure in sorted(figures, key=lambda figure: figure.record["name"]):
            name = f"{run.partition('/')[0]}-{figure.record['name']}"
            try:
                made.append(latex.export(figure, self.folder, kit=self.kit, width=self.width, name=name))
            except OptionError as err:
                words.append(f"Left out: {err}.")
                continue
            self.exported[name] = made[-1]
        return Pages(tuple(made), " ".join(words))

    def contents(self) -> list[dict[str, str]]:
        """A row for each source that has figures: their names, by family."""
        rows = []
        for run, figures in self.sources.items():
            families: dict[str, list[str]] = {}
            for figure in figures:
                families.setdefault(family_of(figure) or "other", []).append(figure.record["name"])
            rows.append({"run": run, **{family: ", ".join(sorted(names)) for family, names in families.items()}})
        return [row for row in rows if len(row) > 1]

    def table(self) -> list[dict[str, Any]]:
        """A row for each exported figure: name, size, venue, runs, how to include it."""
        records = {name: one.figure.record for name, one in sorted(self.exported.items())}
        return [
            {
                "figure": name,
                "inches": " x ".join(f"{side:.2f}" for side in kept["size_inches"]),
                "venue": kept["venue"],
                "run": ", ".join(runs_of(kept)),
                "LaTeX": rf"\input{{{name}}}",
            }
            for name, kept in records.items()
        ]


def family_of(figure: SavedFigure) -> str | None:
    """The family that drew a figure; None for a function that is not there any more."""
    room = figure.record["function"].partition(".")[0]
    return next((name for name, family in FAMILIES.items() if room in family.rooms), None)
