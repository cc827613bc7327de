"""What two runs have in common and what not: parameters, where they come from, results, figures, notebooks.

Numbers are the results and the last value of each metric; they agree within a relative tolerance. How fast a run was
is no result. Notebooks are compared by nbdime, the executed ones where both have ended.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from typing import Any

import nbformat

from mvkit.errors import OptionError, RunError
from mvkit.runs.files import read_json
from mvkit.runs.folder import RunFolder

_ABSENT = "absent"
# Of provenance, what differs between any two runs; of numbers, how fast they were.
_OWN = ("time", "command", "folder")
_SPEEDS = ("seconds", "clips_per_s")


@dataclass(frozen=True)
class Row:
    """One name with its value in either run, `absent` where it has none. agrees: equal, or near enough."""

    name: str
    a: Any
    b: Any
    agrees: bool

    def line(self) -> str:
        return f"{self.name}: {self.a}" + (f" (and {self.b})" if self.agrees else f" -> {self.b}")


@dataclass(frozen=True)
class Difference:
    """Two runs compared: rows in which they differ, and all numbers; notebook: nbdime's text, empty where equal."""

    a: RunFolder
    b: RunFolder
    tolerance: float
    parameters: list[Row]
    provenance: list[Row]
    numbers: list[Row]
    texts: list[Row]
    figures: list[Row]
    notebook: str

    @property
    def outside(self) -> list[Row]:
        """Numbers that differ by more than the tolerance, or that one run does not have."""
        return [row for row in self.numbers if not row.agrees]

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        names = ("parameters", "provenance", "numbers", "texts", "figures")
        rows = {name: [vars(row) for row in getattr(self, name)] for name in names}
        ends = {"a": self.a.name, "b": self.b.name, "tolerance": self.tolerance, "outside": len(self.outside)}
        return {**ends, **rows, "notebook": self.notebook}


def diff_runs(a: RunFolder, b: RunFolder, *, tolerance: float = 0.0, outputs: bool = False) -> Difference:
    """Compare two runs. tolerance: relative, 0.01 is one per cent; outputs: of the notebooks' cells as well.

    Raises OptionError for a tolerance that is none, RunError for a folder without a run.
    """
    if not 0 <= tolerance < 1:
        raise OptionError(f"tolerance must be 0 or more and below 1, as 0.01 for one per cent, got {tolerance}")
    for run in (a, b):
        if not run.status.exists():
            raise RunError(f"{run.path} holds no run; `mvkit report` lists them")
    found_a, found_b = _results(a), _results(b)
    every = list(dict.fromkeys([*found_a, *found_b]))
    numbers = [name for name in every if _number(found_a.get(name)) or _number(found_b.get(name))]
    return Difference(
        a,
        b,
        tolerance,
        _differing(read_json(a.params), read_json(b.params)),
        _differing(_flat(_origin(a)), _flat(_origin(b))),
        [_row(name, found_a, found_b, tolerance) for name in numbers],
        [row for row in _differing(found_a, found_b) if row.name not in numbers],
        _figures(a, b),
        _notebooks(a, b, outputs),
    )


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Row]:
    rows = [_row(name, a, b, 0.0) for name in dict.fromkeys([*a, *b])]
    return [row for row in rows if not row.agrees]


def _row(name: str, a: Mapping[str, Any], b: Mapping[str, Any], tolerance: float) -> Row:
    x, y = a.get(name, _ABSENT), b.get(name, _ABSENT)
    near = _number(x) and _number(y) and math.isclose(x, y, rel_tol=tolerance, abs_tol=0.0)
    return Row(name, x, y, near or json.dumps(x) == json.dumps(y))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _results(run: RunFolder) -> dict[str, Any]:
    """The last value of each metric and all results, by dotted names, without speeds."""
    last: dict[str, Any] = {}
    if run.metrics.exists():
        for line in run.metrics.read_text(encoding="utf-8").splitlines():
            try:
                last |= json.loads(line)
            except ValueError:  # the half line of a run that was killed
                continue
    found = {**{f"last {name}": value for name, value in last.items()}, **_flat(read_json(run.results))}
    return {name: value for name, value in found.items() if not name.endswith(_SPEEDS)}


def _origin(run: RunFolder) -> dict[str, Any]:
    return {name: value for name, value in read_json(run.provenance).items() if name not in _OWN}


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings and lists by dotted names."""
    if isinstance(value, Mapping):
        inner = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        inner = [(str(place), item) for place, item in enumerate(value)]
    else:
        return {name: value}
    return {key: leaf for part, item in inner for key, leaf in _flat(item, f"{name}.{part}" if name else part).items()}


def _figures(a: RunFolder, b: RunFolder) -> list[Row]:
    """Pictures by name; values are paths, or `absent`."""
    found = [{path.stem: path for path in sorted(run.figures.glob("*.png"))} for run in (a, b)]
    rows = []
    for name in dict.fromkeys([*found[0], *found[1]]):
        paths: list[Path | None] = [one.get(name) for one in found]
        same = len({path.read_bytes() if path else b"" for path in paths}) == 1
        rows.append(Row(name, *(str(path) if path else _ABSENT for path in paths), agrees=same))
    return rows


def _notebooks(a: RunFolder, b: RunFolder, outputs: bool) -> str:
    """nbdime's text, with terminal colours; empty where the notebooks are the same."""
    from nbdime import diff_notebooks
    from nbdime.prettyprint import PrettyPrintConfig, pretty_print_notebook_diff

    paths = [run.notebook if run.notebook.exists() else run.partial for run in (a, b)]
    if missing := [path.parent for path in paths if not path.exists()]:
        return f"no executed notebook in {missing[0]}"
    one, other = (_bare(nbformat.read(path, as_version=4), outputs) for path in paths)
    for left, right in zip_longest(one.cells, other.cells):
        # papermill names the cell it puts in at random.
        if left is not None and right is not None and left.source == right.source:
            right["id"] = left.get("id", "")
    if not (changes := diff_notebooks(one, other)):
        return ""
    out = StringIO()
    pretty_print_notebook_diff(a.name, b.name, one, changes, PrettyPrintConfig(out=out, use_git=False, use_diff=False))
    return out.getvalue()


def _bare(nb: Any, outputs: bool) -> Any:
    """Without what every execution changes: counts, times, papermill's record, and the outputs if so wanted."""
    nb.metadata = {}
    for cell in nb.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = None, cell.outputs if outputs else []
            for output in cell.outputs:
                output.pop("execution_count", None)
    return nb
