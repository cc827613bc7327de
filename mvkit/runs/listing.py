"""Runs as rows of a table: what each was asked, how it stands, how far it came; filtered by text and sorted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from mvkit.errors import OptionError, RunError, unknown
from mvkit.runs.files import read_json, read_tail
from mvkit.runs.folder import RunFolder, find_runs
from mvkit.runs.status import read_status

ANY = "any"


@dataclass(frozen=True)
class Row:
    """One run. name: <notebook>/<id>. step, loss: of the last logged step, None where there is none. begun: number of
    its place in time, 0 for the newest. options: its parameters, or the spec of a folder that `fit` alone made."""

    folder: RunFolder
    name: str
    notebook: str
    state: str
    cause: str
    seconds: float
    step: int | None
    loss: float | None
    begun: int
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: RunFolder, begun: int = 0) -> Row:
        try:
            status = read_status(folder)
        except RunError as err:  # one broken file must not hide the other runs
            status = {"state": "unreadable", "cause": str(err)}
        tail = read_tail(folder.metrics)
        loss = next((line["loss"] for line in reversed(tail) if isinstance(line.get("loss"), int | float)), None)
        return cls(
            folder, folder.name, folder.path.parent.name, status["state"], status.get("cause", ""),
            float(status.get("seconds", 0)), tail[-1].get("step") if tail else None, loss, begun,
            read_json(folder.params) or read_json(folder.path / "spec.json"),
        )  # fmt: skip

    @property
    def text(self) -> str:
        """What a search looks through, in lower case."""
        options = (f"{name}={value}" for name, value in self.options.items())
        return " ".join((self.name, self.state, self.cause, *options)).lower()


SORTS: dict[str, Callable[[Row], Any]] = {
    "newest": lambda row: row.begun,
    "name": lambda row: row.name,
    "state": lambda row: row.state,
    "loss": lambda row: inf if row.loss is None else row.loss,
    "steps": lambda row: -(row.step or 0),
    "time": lambda row: -row.seconds,
}


def rows_of(runs: str | Path | Sequence[str | Path]) -> list[Row]:
    """Rows of a reports folder, of one run's folder, or of run folders one by one, newest first. Raises RunError where
    there is none.

    A folder that `fit(out=...)` made outside a notebook has no status; its state is "missing".
    """
    if isinstance(runs, str | Path):
        alone = RunFolder(Path(runs).resolve())
        folders = [alone] if _is_run(alone) else find_runs(Path(runs))
        if not folders:
            raise RunError(f"no run in {runs}: `mvkit demo` makes one, or give another reports folder")
    else:
        folders = [RunFolder(Path(run).resolve()) for run in runs]
        for folder in folders:
            if not _is_run(folder):
                raise RunError(f"{folder.path} is no run: wanted a folder with status.json or metrics.jsonl")
    return [Row.of(folder, number) for number, folder in enumerate(folders)]


def _is_run(folder: RunFolder) -> bool:
    return folder.status.exists() or folder.metrics.exists()


def chosen(
    rows: Sequence[Row], *, search: str = "", state: str = ANY, notebook: str = ANY, sort: str = "newest"
) -> list[Row]:
    """The rows that hold every word of `search` (name, state, "ratio=0.9"), sorted. Raises OptionError."""
    if sort not in SORTS:
        raise OptionError(unknown("order of runs", sort, SORTS))
    words = search.lower().split()
    kept = [
        row for row in rows
        if state in (ANY, row.state) and notebook in (ANY, row.notebook) and all(word in row.text for word in words)
    ]  # fmt: skip
    return sorted(kept, key=SORTS[sort])


def differing(rows: Sequence[Row]) -> list[str]:
    """Names of the parameters in which these runs differ, in the order they were declared."""
    names = dict.fromkeys(name for row in rows for name in row.options)
    return [name for name in names if len({repr(row.options.get(name)) for row in rows}) > 1]
