"""The runs of a sweep, each with its folder, in an order in which a run comes after those it reads.

A run's folder follows from its parameters and the code, so the plan knows it before the run exists: a reference
becomes `run:<folder>`, and the run it names goes first.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvkit.errors import MvkitError, OptionError
from mvkit.runs.folder import RunFolder
from mvkit.runs.notebook import find_notebook, project_root
from mvkit.runs.parameters import Parameters
from mvkit.runs.sweep.axes import Point
from mvkit.runs.sweep.entry import Entry
from mvkit.runs.sweep.reference import Reference
from mvkit.runs.sweep.said import MOST, Said, typed


@dataclass(frozen=True)
class Planned:
    """One run: its resolved parameters, its folder, the names of the runs it reads, where it was asked for."""

    notebook: Path
    values: Mapping[str, Any]
    folder: RunFolder
    needs: tuple[str, ...]
    where: str

    @property
    def name(self) -> str:
        """`<notebook>/<run id>`."""
        return self.folder.name


@dataclass(frozen=True)
class Plan:
    """name: of the sweep. reports: the folder its record and its runs lie in. runs: by name, needs first."""

    name: str
    reports: Path
    runs: Mapping[str, Planned]
    entries: Sequence[Entry]

    @classmethod
    def make(cls, entries: Sequence[Entry], *, name: str = "", stem: str = "", out: Path | None = None) -> "Plan":
        """Resolve all entries. name: of the sweep, else `stem` and a hash of what was asked.

        out: the reports folder, by default `reports/` of the first notebook's project root. Raises OptionError for a
        reference to no run or to several, runs that wait for each other, a file that is not there.
        """
        reports = (out or project_root(entries[0].notebook) / "reports").resolve()
        written = json.dumps([entry.written for entry in entries], sort_keys=True, ensure_ascii=False)
        name = name or f"{stem or entries[0].notebook.stem}-{hashlib.sha256(written.encode()).hexdigest()[:8]}"
        if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
            raise OptionError(f"a sweep's name is letters, digits, - _ and ., got '{name}'")
        resolver = _Resolver(entries, out)
        runs = resolver.all()
        _look(runs.values(), resolver.declared)
        return cls(name, reports, runs, entries)

    @property
    def folder(self) -> Path:
        """Where the record of the sweep lies."""
        return self.reports / "sweeps" / self.name

    def differing(self) -> list[str]:
        """Names of the parameters that are not the same in all runs of a notebook."""
        first: dict[Path, Mapping[str, Any]] = {}
        for run in self.runs.values():
            first.setdefault(run.notebook, run.values)
        found = {n for run in self.runs.values() for n, value in run.values.items() if value != first[run.notebook][n]}
        return list(dict.fromkeys(name for values in first.values() for name in values if name in found))


class _Resolver:
    """Turns points into planned runs; a point that refers to another one waits until that one has a folder."""

    def __init__(self, entries: Sequence[Entry], out: Path | None) -> None:
        self.out = out
        self.wanted = [(entry, point) for entry in entries for point in entry.points()]
        if len(self.wanted) > MOST:
            raise OptionError(f"a sweep of {len(self.wanted)} runs, wanted at most {MOST}: make it two")
        self.notebooks = {entry.notebook for entry in entries}
        self.planned: dict[str, Planned] = {}
        self._of_point: dict[int, Planned | None] = {}  # None while its references are being resolved
        self.declared: dict[Path, Parameters] = {entry.notebook: entry.declared for entry in entries}
        self._paths: dict[str, Path] = {}
        self._index: dict[tuple[Path, tuple[str, ...]], dict[str, list[int]]] = {}

    def all(self) -> dict[str, Planned]:
        for number in range(len(self.wanted)):
            self._resolve(number)
        return self.planned

    def _resolve(self, number: int) -> Planned:
        entry, point = self.wanted[number]
        if number not in self._of_point:
            self._of_point[number] = None
            self._of_point[number] = self._plan(entry.notebook, point, entry.where)
        if (found := self._of_point[number]) is None:
            raise OptionError(f"{entry.where}: runs of {entry.notebook.stem} wait for each other: break the circle")
        return found

    def _plan(self, notebook: Path, point: Point, where: str) -> Planned:
        values, needs = dict(point), []
        for name, value in point.items():
            if isinstance(value, Reference):
                try:
                    target = self._named(value, point, Said(str(value), where))
                except MvkitError as err:
                    said = str(err).removeprefix(f"{where}: ")
                    raise OptionError(f"{where}: parameter '{name}': {said}") from None
                needs.append(target.name)
                values[name] = f"run:{_relative(target.folder.path, project_root(notebook))}"
        folder = RunFolder.of(notebook, values, self.out)
        return self.planned.setdefault(folder.name, Planned(notebook, values, folder, tuple(needs), where))

    def _named(self, reference: Reference, own: Point, said: Said) -> Planned:
        """The run of this sweep that a reference means; of a notebook that is not in it, the run with its defaults."""
        notebook = self._found(reference.notebook)
        declared = self.declared[notebook]
        raw = reference.filled(own)
        declared.refuse_unknown(raw)
        given = {name: typed(declared[name], Said(value, said.where)) for name, value in raw.items()}
        if notebook not in self.notebooks:
            defaults = {name: parameter.default for name, parameter in declared.items()}
            return self._plan(notebook, {**defaults, **given}, said.where)
        found = self._agreeing(notebook, given)
        if len(found) == 1:
            return self._resolve(found[0])
        if not found:
            raise OptionError(f"{reference} is no run of this sweep with {_words(given)}; add it to {notebook.stem}")
        points = [self.wanted[number][1] for number in found]
        differ = [name for name in points[0] if any(point[name] != points[0][name] for point in points)]
        raise OptionError(f"{reference} is {len(found)} runs of this sweep; say also {', '.join(differ)}")

    def _found(self, name: str) -> Path:
        if name not in self._paths:
            path = self._paths[name] = find_notebook(name)
            if path not in self.declared:
                self.declared[path] = Parameters.read(path)
        return self._paths[name]

    def _agreeing(self, notebook: Path, given: Point) -> list[int]:
        """Places in `wanted` of different runs of this notebook that have these values."""
        names = tuple(sorted(given))
        if (notebook, names) not in self._index:
            index = self._index[notebook, names] = {}
            seen: set[str] = set()
            for number, (entry, point) in enumerate(self.wanted):
                whole = _key(point)
                if entry.notebook == notebook and whole not in seen:
                    seen.add(whole)
                    index.setdefault(_key({name: point[name] for name in names}), []).append(number)
        return self._index[notebook, names].get(_key(given), [])


def _look(runs: Iterable[Planned], declared: Mapping[Path, Parameters]) -> None:
    """Files and videos that parameters name, each looked at once. Raises OptionError naming the place."""
    seen: set[str] = set()
    for run in runs:
        parameters = declared[run.notebook]
        named = {name: run.values[name] for name, item in parameters.items() if item.kind.limit.names}
        if (key := f"{run.notebook}{named}") not in seen:
            seen.add(key)
            try:
                parameters.look(run.values, project_root(run.notebook))
            except OptionError as err:
                raise OptionError(f"{run.where}: {err}") from None


def _key(point: Point) -> str:
    return json.dumps({name: str(v) if isinstance(v, Reference) else v for name, v in point.items()}, sort_keys=True)


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items()) or "its parameters"


def _relative(folder: Path, root: Path) -> str:
    """From the project root where it lies there, so that run ids are the same on every machine."""
    return (folder.relative_to(root) if folder.is_relative_to(root) else folder).as_posix()
