"""What was written for a parameter, where it was written, and the native value it means.

Text has no type of its own: the parameter's declaration decides. So `1e-4` is a number where a float is declared, `no`
stays the word no where a str is, and `017` is 17 where an int is, whatever YAML 1.1 thinks of them.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from mvkit.errors import OptionError
from mvkit.runs.parameters import Parameter
from mvkit.runs.sweep.commas import split
from mvkit.runs.sweep.reference import Reference

_INT_RANGE = re.compile(r"\s*(-?\d+)\s*\.\.\s*(-?\d+)\s*")
MOST = 20_000  # runs of one sweep; more is a slip of the keyboard


@dataclass(frozen=True)
class Said:
    """raw: text, None, a native value, a list or a mapping of these. where: `sweep.yaml:7` or `-g ratio`."""

    raw: Any
    where: str

    def refuse(self, why: object) -> OptionError:
        return OptionError(f"{self.where}: {why}")


def typed(parameter: Parameter, said: Said) -> Any:
    """The native value, or a Reference to another run. Raises OptionError naming the place and the parameter."""
    try:
        if (reference := Reference.read(said.raw)) is None:
            return _native(parameter, said.raw)
        if parameter.kind.base == "str" and not parameter.kind.many and parameter.kind.limit.empty:
            return reference
        raise OptionError(f"parameter '{parameter.name}' wants {parameter.kind}, got a run: only a str can name one")
    except OptionError as err:
        raise said.refuse(err) from None


def axis(parameter: Parameter, said: Said) -> list[Any]:
    """The values of an axis: a list, text with commas, or for an int `0..4` (both ends). Raises OptionError."""
    raw = said.raw
    if isinstance(raw, str):
        raw = split(raw) if raw.strip() else []
    if not isinstance(raw, list | tuple) or not raw:
        raise said.refuse(f"axis '{parameter.name}' wants a list of values, got {said.raw!r}")
    if parameter.kind.many and not all(isinstance(one, list | tuple) or str(one).startswith("[") for one in raw):
        raise said.refuse(f"axis '{parameter.name}' wants lists, each in brackets as [[1, 2], [3]], got {said.raw!r}")
    values = []
    for one in raw:
        found = _INT_RANGE.fullmatch(one) if isinstance(one, str) and parameter.kind.base == "int" else None
        if found and int(found[2]) - int(found[1]) >= MOST:
            raise said.refuse(f"axis '{parameter.name}': {one} is more than {MOST} values")
        many = range(int(found[1]), int(found[2]) + 1) if found else [one]
        values += [typed(parameter, Said(each, said.where)) for each in many]
    if not values:
        raise said.refuse(f"axis '{parameter.name}': {said.raw!r} is empty; write the smaller end first")
    return values


def _native(parameter: Parameter, raw: Any) -> Any:
    if isinstance(raw, list | tuple) and parameter.kind.many:
        one = Parameter(parameter.name, replace(parameter.kind, many=False, optional=False), None)
        return parameter.check([one.parse(item) for item in raw])
    return parameter.parse(raw)
