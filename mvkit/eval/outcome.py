"""What a task has found: scores with intervals beside their controls and chance, and what was left out, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from mvkit.eval.metrics import Accuracy
from mvkit.whole import whole

CHANCE, MEAN = "chance", "mean"


@dataclass(frozen=True)
class Row:
    """One line of a table. of: what was measured, column -> word ("shown": what was seen). values: score -> number with
    its interval."""

    of: Mapping[str, Any]
    values: Mapping[str, Accuracy]


@dataclass(frozen=True)
class Outcome:
    """task: its name. rows: scores and controls. left_out: reason -> what, named; nothing else is missing from the
    numbers. spec: what was asked, and of what run."""

    task: str
    rows: tuple[Row, ...]
    left_out: Mapping[str, list[str]] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)

    def score(self, name: str, **of: Any) -> float:
        """The one value called `name` in the rows with these words. Raises KeyError unless there is exactly one."""
        found = [row.values[name] for row in self.rows if name in row.values and of.items() <= dict(row.of).items()]
        if len(found) != 1:
            raise KeyError(f"{len(found)} scores '{name}' of {of} in the outcome of {self.task}")
        return found[0].value

    def records(self) -> list[dict[str, Any]]:
        """A flat row per line, for a data frame: the words, then each score's value, `_low` and `_high`."""
        found = []
        for row in self.rows:
            numbers = {f"{n}{end}": getattr(v, of) for n, v in row.values.items() for end, of in _ENDS}
            found.append({**row.of, **numbers})
        return found

    def record(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        rows = [{"of": dict(row.of), **{n: asdict(v) for n, v in row.values.items()}} for row in self.rows]
        counts = {reason: len(names) for reason, names in self.left_out.items()}
        return {
            "task": self.task,
            "scores": rows,
            "left_out": counts,
            "left_out_names": dict(self.left_out),
            "spec": dict(self.spec),
        }

    def write(self, folder: Path | str) -> Path:
        """results.json in a folder, whole or not at all; its path."""
        path = Path(folder) / "results.json"
        with whole(path) as part:
            part.write_text(json.dumps(self.record(), indent=2, default=str) + "\n", encoding="utf-8")
        return path

    def cells(self) -> list[list[str]]:
        """The table in words, names of columns first."""
        words = list(dict.fromkeys(word for row in self.rows for word in row.of))
        scores = list(dict.fromkeys(name for row in self.rows for name in row.values))
        cells = [[*words, *scores]]
        for row in self.rows:
            numbers = [_number(row.values[name]) if name in row.values else "" for name in scores]
            cells.append([*(str(row.of.get(word, "")) for word in words), *numbers])
        return cells

    def lines(self) -> Iterator[str]:
        """The table, a line a row, and what was left out."""
        cells = self.cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for line in cells:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        yield from self.missing()

    def missing(self) -> Iterator[str]:
        """What was left out, a line a reason: how many, and the first of them."""
        for reason, names in self.left_out.items():
            yield f"{len(names)} {reason}: {'; '.join(names[:3])}{'; ...' if len(names) > 3 else ''}"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        head, *rows = (
            "".join(f"<{tag}>{escape(cell.replace('_', ' '))}</{tag}>" for cell in line)
            for tag, line in zip(["th", *["td"] * len(self.rows)], self.cells(), strict=True)
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        missing = "".join(f"<p>{escape(line)}</p>" for line in self.missing())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{missing}"


def over_seeds(outcomes: Mapping[int, Outcome]) -> Outcome:
    """The same task with several seeds, as one: a column `seed`, and the mean of each row with the lowest and the
    highest of its seeds for an interval. What is known and not measured stays as one row."""
    first = next(iter(outcomes.values()))
    if len(outcomes) == 1:
        return first
    tables = [{tuple(row.of.items()): row for row in outcome.rows} for outcome in outcomes.values()]
    rows = []
    for key, row in tables[0].items():
        known = all(table[key].values == row.values for table in tables)
        if known and all(value.level == 1 for value in row.values.values()):
            rows.append(row)
            continue
        rows += [Row({**row.of, "seed": seed}, table[key].values) for seed, table in zip(outcomes, tables, strict=True)]
        means = {name: [table[key].values[name] for table in tables] for name in row.values}
        rows.append(Row({**row.of, "seed": MEAN}, {name: _mean(found) for name, found in means.items()}))
    named = [(reason, name) for one in outcomes.values() for reason, names in one.left_out.items() for name in names]
    left_out: dict[str, list[str]] = {}
    for reason, name in dict.fromkeys(named):
        left_out.setdefault(reason, []).append(name)
    return Outcome(first.task, tuple(rows), left_out, {**first.spec, "seeds": list(outcomes)})


def _mean(found: list[Accuracy]) -> Accuracy:
    values = [one.value for one in found]
    return Accuracy(sum(values) / len(values), min(values), max(values), found[0].clips, 1.0)


_ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def exact(value: float, clips: int = 0) -> Accuracy:
    """A number that is known and not measured, such as chance."""
    return Accuracy(value, value, value, clips, level=1.0)


def _number(value: Accuracy) -> str:
    if value.low == value.high:
        return f"{value.value:.3g}"
    return f"{value.value:.3g} [{value.low:.3g}, {value.high:.3g}]"
