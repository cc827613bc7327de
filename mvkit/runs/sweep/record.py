"""What a sweep leaves of itself: reports/sweeps/<name>/ with sweep.json, table.csv and logs/.

The runs lie where runs lie; the record says which they are and what was asked, and the table how they stand.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from mvkit.errors import RunError
from mvkit.runs.files import read_json, write_bytes_atomic, write_json_atomic
from mvkit.runs.status import now
from mvkit.runs.sweep.cost import duration
from mvkit.runs.sweep.plan import Plan
from mvkit.runs.sweep.standing import Standing

Row = dict[str, Any]
_METRICS = 6  # columns of results shown where none are asked for


def write_plan(plan: Plan, command: Sequence[str]) -> None:
    """sweep.json: what was asked and which runs that is. Raises RunError where it cannot be written."""
    runs = [
        {"run": name, "parameters": run.values, "needs": run.needs, "asked": run.where}
        for name, run in plan.runs.items()
    ]
    said = {"name": plan.name, "time": now(), "command": list(command), "axes": plan.differing()}
    write_json_atomic(plan.folder / "sweep.json", {**said, "entries": [e.written for e in plan.entries], "runs": runs})


def rows(plan: Plan, stands: Mapping[str, Standing], metrics: Sequence[str] = ()) -> list[Row]:
    """One row a run: run, state, cause, seconds, the parameters that differ, results.

    metrics: names in results.json, with dots for what lies deeper (`scores.0.knn`); by default its top-level numbers.
    """
    differing, found = plan.differing(), {}
    for name, one in stands.items():
        found[name] = _results(one)
    chosen = list(metrics) or _numbers(found.values())
    table = []
    for name, one in stands.items():
        head = {"run": name, "state": _word(one), "cause": one.cause, "seconds": one.status.get("seconds")}
        axes = {key: one.run.values.get(key) for key in differing}
        table.append({**head, **axes, **{f"result.{key}": _deep(found[name], key) for key in chosen}})
    return table


def write_table(plan: Plan, table: Sequence[Row]) -> None:
    """table.csv, one line a run."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    write_bytes_atomic(plan.folder / "table.csv", text.getvalue().encode())


def lines(table: Sequence[Row]) -> list[str]:
    """The table for a terminal: columns as wide as they need; the cause last, where there is one."""
    names = [name for name in table[0] if name != "cause"]
    heads = [name.removeprefix("result.") for name in names]
    cells = [heads, *([_cell(name, row[name]) for name in names] for row in table)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    causes = ["", *(row["cause"] for row in table)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return [f"{text.rstrip()}  {cause}".rstrip() for text, cause in zip(padded, causes, strict=True)]


def _results(one: Standing) -> dict[str, Any]:
    try:
        return read_json(one.run.folder.results) if one.status.get("state") == "done" else {}
    except RunError:  # one file that somebody has edited is no reason to show no table
        return {}


def _word(one: Standing) -> str:
    """A run that is open has its own word for how it came to that."""
    if one.state == "open" and one.status.get("state") in ("failed", "interrupted", "killed"):
        return one.status["state"]
    return {"open": "to run", "going": "running"}.get(one.state, one.state)


def _numbers(results: Any) -> list[str]:
    """Names of the first top-level numbers."""
    names = {name: None for one in results for name, value in one.items() if _is_number(value)}
    return list(names)[:_METRICS]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _deep(results: Any, name: str) -> Any:
    for part in name.split("."):
        if isinstance(results, list) and part.isdecimal() and int(part) < len(results):
            results = results[int(part)]
        else:
            results = results.get(part) if isinstance(results, dict) else None
    return results


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "seconds":
        return duration(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
