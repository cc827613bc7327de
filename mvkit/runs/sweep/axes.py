"""Axes of a sweep: a grid, values side by side, points one by one, random draws. Each gives points; parts multiply."""

import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from mvkit.errors import OptionError
from mvkit.runs.parameters import Parameter
from mvkit.runs.sweep.said import Said, axis, typed

Point = dict[str, Any]  # parameter -> native value

_SPREAD = re.compile(r"\s*(log)?[\s:]*(\S+?)\s*\.\.\s*(\S+)\s*")


def grid(axes: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Every combination; the last axis changes fastest."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def side_by_side(axes: Mapping[str, Sequence[Any]]) -> list[Point]:
    """First values together, second values together, ... Raises OptionError for axes of different lengths."""
    if len({len(values) for values in axes.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in axes.items())
        raise OptionError(f"axes that go side by side must be equally long, got {lengths}")
    return [dict(zip(axes, values, strict=True)) for values in zip(*axes.values(), strict=True)]


def draws(axes: Mapping[str, "Spread"], count: int, seed: int) -> list[Point]:
    """`count` random points. More draws begin with the fewer, and another axis leaves the draws of the others alone."""
    streams = {name: random.Random(f"{seed}/{name}") for name in axes}
    return [{name: spread.draw(streams[name]) for name, spread in axes.items()} for _ in range(count)]


def multiplied(parts: Sequence[Sequence[Point]]) -> Iterator[Point]:
    """Each point of each part with each of the others; their names do not meet."""
    for points in product(*parts):
        yield {name: value for point in points for name, value in point.items()}


@dataclass(frozen=True)
class Spread:
    """Where draws of one parameter come from: `low..high`, `log low..high`, or a list of values."""

    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    @classmethod
    def read(cls, parameter: Parameter, said: Said) -> "Spread":
        """Raises OptionError naming the place: an end out of range, a range of something that is no number."""
        found = _SPREAD.fullmatch(said.raw) if isinstance(said.raw, str) else None
        if not found:
            return cls(values=tuple(axis(parameter, said)))
        if parameter.kind.base not in ("int", "float") or parameter.kind.many:
            raise said.refuse(f"parameter '{parameter.name}' is {parameter.kind}: give a list of values to draw from")
        low, high = (typed(parameter, Said(end, said.where)) for end in (found[2], found[3]))
        if low is None or high is None or not low < high or (found[1] and low <= 0):
            above = " above 0" if found[1] else ""
            raise said.refuse(f"draws of '{parameter.name}' want low..high with low < high{above}, got {said.raw}")
        return cls((), low, high, bool(found[1]), parameter.kind.base == "int")

    def draw(self, stream: random.Random) -> Any:
        """One value; floats have four digits, so that they can be read and typed again."""
        if self.values:
            return stream.choice(self.values)
        if self.whole and not self.log:
            return stream.randint(int(self.low), int(self.high))
        place = stream.random()
        if self.log:
            value = math.exp(math.log(self.low) + place * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + place * (self.high - self.low)
        return min(max(round(value) if self.whole else float(f"{value:.4g}"), self.low), self.high)

    def record(self) -> Any:
        """As it could be written again."""
        return list(self.values) or f"{'log ' if self.log else ''}{self.low}..{self.high}"
