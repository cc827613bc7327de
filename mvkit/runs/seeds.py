"""Runs that differ in their seeds alone, and what their numbers spread over.

A parameter that names another run (`run:<folder>`) counts as that run's own parameters without its seeds, so students
of teachers of seed 0, 1, 2 are one group. Runs of different code are never put together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from statistics import fmean, stdev
from typing import Any

from mvkit.runs.account import Account


@dataclass(frozen=True)
class Spread:
    """Of one measure over the seeds that have it. deviation: of a sample (n - 1), None for one seed."""

    mean: float
    deviation: float | None
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(fmean(values), stdev(values) if len(values) > 1 else None, min(values), max(values), len(values))

    def __str__(self) -> str:
        """0.231 ± 0.012."""
        return f"{self.mean:.4g}" if self.deviation is None else f"{self.mean:.4g} ± {self.deviation:.2g}"


@dataclass(frozen=True)
class Group:
    """Runs of one notebook with the same settings and code. settings: its parameters without seeds."""

    notebook: str
    code: str
    settings: Mapping[str, Any]
    runs: tuple[Account, ...]

    @property
    def done(self) -> tuple[Account, ...]:
        """By seed."""
        return tuple(
            sorted((run for run in self.runs if run.done), key=lambda run: (str(type(run.seed)), run.seed or 0))
        )

    @property
    def same_clips(self) -> bool:
        """Have all of them seen the same clips? Sample clips may be drawn from the seed."""
        return len({run.clips for run in self.runs}) == 1

    def spread(self, measure: str) -> Spread | None:
        """None where no run has the measure."""
        values = [run.measures[measure] for run in self.done if measure in run.measures]
        return Spread.of(values) if values else None


def is_seed(name: str) -> bool:
    return name == "seed" or name.endswith("_seed")


def groups(runs: Iterable[Account]) -> list[Group]:
    """All runs by what they share, in the order of their first ones."""
    runs = list(runs)
    keys = _Keys(runs)
    found: dict[Hashable, list[Account]] = {}
    for run in runs:
        found.setdefault(keys.of(run), []).append(run)
    return [
        Group(first.notebook, first.code, {k: v for k, v in first.options.items() if not is_seed(k)}, (first, *others))
        for first, *others in found.values()
    ]


def differing(options: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names whose values differ, in the order they were declared; none, "" and not there are one value."""
    names = dict.fromkeys(name for one in options for name in one)
    return [name for name in names if len({_said(one.get(name)) for one in options}) > 1]


def _said(value: Any) -> str:
    return "" if value in (None, "") else repr(value)


class _Keys:
    """What two runs share if they are of one group."""

    def __init__(self, runs: Sequence[Account]) -> None:
        self.runs = {run.name: run for run in runs}
        self.known: dict[str, Hashable] = {}

    def of(self, run: Account) -> Hashable:
        if run.name not in self.known:
            self.known[run.name] = run.name  # until it is known: runs that name each other end here
            settings = [(name, self._value(value)) for name, value in run.options.items() if not is_seed(name)]
            # A run of which nothing is known is alone.
            self.known[run.name] = (
                (run.notebook, run.code, tuple(sorted(settings, key=str))) if run.options else run.name
            )
        return self.known[run.name]

    def _value(self, value: Any) -> Hashable:
        if isinstance(value, str) and value.startswith("run:"):
            other = self.runs.get("/".join(PurePath(value.removeprefix("run:")).parts[-2:]))
            return ("run", self.of(other)) if other else value
        return repr(value)
