"""Saved figures on disk: what one is made of, and how it is found again."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from mvkit.errors import RunError, unknown

FIELDS = {"name", "function", "parameters", "venue", "caption", "facts", "commit", "data", "sha256"}
SHOWN = 4  # candidates named in a message


@dataclass(frozen=True)
class SavedFigure:
    """The files of one figure; shows itself in a notebook, with caption and alternative text, from inside the page.

    same_bytes: after a rebuild, whether pictures have the checksums written when they were first saved. cause: why not.
    """

    json: Path
    record: dict[str, Any]
    same_bytes: bool = True
    cause: str = ""

    @classmethod
    def open(cls, path: str | Path) -> SavedFigure:
        """The figure whose NAME.json this is. Raises RunError where it is no record of a figure."""
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as err:
            raise RunError(f"{path}: cannot be read as a figure's record ({err})") from None
        if not isinstance(record, dict) or not FIELDS.issubset(record):
            raise RunError(f"{path} is no record of a figure: wanted the NAME.json that mvkit.viz.save wrote")
        return cls(Path(path), record)

    @property
    def pdf(self) -> Path:
        return self.json.with_suffix(".pdf")

    @property
    def png(self) -> Path:
        return self.json.with_suffix(".png")

    @property
    def npz(self) -> Path:
        return self.json.with_suffix(".npz")

    @property
    def csv(self) -> Path:
        """Only of figures with curves or tables."""
        return self.json.with_suffix(".csv")

    def _repr_html_(self) -> str:
        picture = b64encode(self.png.read_bytes()).decode()
        # 1.6: a printed inch at reading distance of a screen; the file has 300 dpi, enough for that.
        points = round(self.record["size_inches"][0] * 96 * 1.6)
        return (
            f'<figure style="margin:0"><img alt="{escape(self.record["alt"])}" style="width:{points}px;max-width:100%" '
            f'src="data:image/png;base64,{picture}"><figcaption>{escape(self.record["caption"])}</figcaption></figure>'
        )


def runs_of(record: Mapping[str, Any]) -> list[str]:
    """The runs that a figure shows, as <notebook>/<id>."""
    return record.get("runs") or [run for run in [record["facts"].get("run")] if run]


def below(folder: str | Path) -> list[SavedFigure]:
    """Every saved figure below a folder, last saved first; those of one moment by name."""
    return sorted(_records(Path(folder)), key=lambda figure: (-figure.json.stat().st_mtime, str(figure.json)))


def found(what: str, reports: Path) -> list[SavedFigure]:
    """The figures that a text means: all below a folder, else one by its file, its name, or <run>/<name>.

    reports: where names are looked up; a folder may be one inside it. Raises RunError for what is not there, and for a
    name that several figures have, naming the last saved ones.
    """
    for place in (Path(what), reports / what):
        if place.is_dir():
            if figures := below(place):
                return figures
            raise RunError(f"{place} holds no saved figure: wanted a folder with the files of mvkit.viz.save")
    if (record := Path(what).with_suffix(".json")).is_file():
        return [SavedFigure.open(record)]
    known = below(reports) if reports.is_dir() else []
    run, _, name = what.rpartition("/")
    same = [figure for figure in known if figure.json.stem == name and _inside(figure, reports).startswith(run)]
    if not same:
        raise RunError(f"{unknown('figure', what, {figure.json.stem for figure in known})}; in {reports.resolve()}")
    if len(same) > 1:
        named = ", ".join(str(figure.json) for figure in same[:SHOWN]) + (" ..." if len(same) > SHOWN else "")
        raise RunError(f"{len(same)} figures are called '{what}', newest first: {named}; give one of these")
    return same


def _records(folder: Path) -> Iterator[SavedFigure]:
    for path in folder.rglob("*.json"):
        if path.parent.name == "figures" or path.with_suffix(".npz").exists():
            try:
                yield SavedFigure.open(path)
            except RunError:
                continue  # some other JSON


def _inside(figure: SavedFigure, reports: Path) -> str:
    return figure.json.relative_to(reports).as_posix()
