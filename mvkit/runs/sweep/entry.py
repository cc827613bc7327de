"""One notebook of a sweep: its fixed parameters and its axes, every value typed by the notebook's own parameters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from mvkit.errors import OptionError
from mvkit.runs.parameters import Parameters
from mvkit.runs.sweep.axes import Point, Spread, draws, grid, multiplied, side_by_side
from mvkit.runs.sweep.reference import Reference
from mvkit.runs.sweep.said import MOST, Said, axis, typed

Written = Mapping[str, Said]  # parameter -> what was written


@dataclass(frozen=True)
class Random:
    """count draws with a seed; axes: parameter -> range or values, as written."""

    count: int
    seed: int
    axes: Written


@dataclass(frozen=True)
class Entry:
    """parts: points of the grid, of the axes side by side, the points given one by one, the draws; they multiply."""

    notebook: Path
    declared: Parameters
    fixed: Point
    parts: tuple[tuple[Point, ...], ...]
    where: str
    written: Mapping[str, Any]

    @classmethod
    def build(
        cls,
        notebook: Path,
        where: str,
        *,
        fixed: Written | None = None,
        cross: Written | None = None,
        beside: Written | None = None,
        points: Sequence[Written] = (),
        drawn: Random | None = None,
    ) -> "Entry":
        """Type every value. Raises OptionError naming the place: unknown name, wrong type, a parameter given twice."""
        declared = Parameters.read(notebook)
        _refuse_wrong_names(declared, fixed or {}, cross or {}, beside or {}, drawn.axes if drawn else {}, points)
        set_ = {name: typed(declared[name], said) for name, said in (fixed or {}).items()}
        crossed = {name: axis(declared[name], said) for name, said in (cross or {}).items()}
        zipped = {name: axis(declared[name], said) for name, said in (beside or {}).items()}
        listed = [{name: typed(declared[name], said) for name, said in point.items()} for point in points]
        spreads = {name: Spread.read(declared[name], said) for name, said in (drawn.axes if drawn else {}).items()}
        try:
            found = [side_by_side(zipped)] if zipped else []
        except OptionError as err:
            raise next(iter((beside or {}).values())).refuse(err) from None
        written = {"notebook": notebook.stem, "parameters": set_, "grid": crossed, "zip": zipped, "list": listed}
        if drawn:
            spelt = {name: spread.record() for name, spread in spreads.items()}
            written["random"] = {"draws": drawn.count, "seed": drawn.seed, "axes": spelt}
        if listed:
            found.append(listed)
        if drawn:
            found.append(draws(spreads, drawn.count, drawn.seed))
        count = prod(map(len, [*crossed.values(), *found]))
        if count > MOST:
            raise OptionError(f"{where}: {count} runs of {notebook.stem}, wanted at most {MOST}: drop an axis")
        parts = (grid(crossed), *found) if crossed else found
        kept = {name: _shown(value) for name, value in written.items() if value}
        return cls(notebook, declared, set_, tuple(map(tuple, parts)), where, kept)

    @property
    def defaults(self) -> Point:
        return {name: parameter.default for name, parameter in self.declared.items()}

    def points(self) -> Iterator[Point]:
        """All parameters of each run; a value may be a Reference."""
        for point in multiplied(self.parts):
            yield {**self.defaults, **self.fixed, **point}


def _refuse_wrong_names(
    declared: Parameters, fixed: Written, cross: Written, beside: Written, drawn: Written, points: Sequence[Written]
) -> None:
    listed = {name: said for point in points for name, said in point.items()}
    seen: dict[str, Said] = {}
    for part in (fixed, cross, beside, drawn, listed):
        for name, said in part.items():
            try:
                declared.refuse_unknown([name])
            except OptionError as err:
                raise said.refuse(err) from None
            if name in seen:
                raise said.refuse(f"parameter '{name}' is given twice, here and at {seen[name].where}")
            seen[name] = said


def _shown(value: Any) -> Any:
    """The same as JSON may hold it: references as they are written."""
    match value:
        case Reference():
            return str(value)
        case dict():
            return {name: _shown(one) for name, one in value.items()}
        case list() | tuple():
            return [_shown(one) for one in value]
    return value
