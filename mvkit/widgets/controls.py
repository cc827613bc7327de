"""A control: one parameter of an explorer as data, from which a panel makes the widget that fits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from mvkit.errors import OptionError, unknown

KINDS = ("choice", "int", "float", "bool", "text", "file")
_TYPES: dict[str, Any] = {"int": int, "float": (int, float), "bool": bool, "text": str, "file": str}


@dataclass(frozen=True)
class Control:
    """name: of the value. kind: one of KINDS; "file" is the path of a file as text.

    choices: of a choice, in the order shown. low, high, step: of int and float; with both ends there is a slider, else
    a field. A default of None allows None ("not set"). label: what stands beside it (by default the name), help: what
    it does, in a tooltip. when: shown only while this holds of the current values. Raises OptionError if these
    contradict each other.
    """

    name: str
    kind: str
    default: Any
    label: str = ""
    help: str = ""
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None
    when: Callable[[Mapping[str, Any]], bool] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise OptionError(unknown(f"kind of control '{self.name}'", self.kind, KINDS))
        if (self.kind == "choice") != bool(self.choices):
            raise OptionError(f"control '{self.name}': choices belong to the kind 'choice', got {self.choices!r}")
        object.__setattr__(self, "label", self.label or self.name.replace("_", " "))
        self.check(self.default)

    def check(self, value: Any) -> Any:
        """The value as this control keeps it: a float for 1, else itself. Raises OptionError."""
        if value is None and self.default is None:
            return None
        if self.kind == "choice":
            if value not in self.choices:
                raise OptionError(unknown(self.name, str(value), map(str, self.choices)))
            return value
        right = isinstance(value, _TYPES[self.kind]) and isinstance(value, bool) == (self.kind == "bool")
        low, high = (-inf if self.low is None else self.low), (inf if self.high is None else self.high)
        if value is None or not right or (self.kind in ("int", "float") and not low <= value <= high):
            raise OptionError(f"{self.name} must be {_wanted(self)}, got {value!r}")
        return float(value) if self.kind == "float" else value

    def shown(self, values: Mapping[str, Any]) -> bool:
        """Whether it is of use beside these values."""
        return self.when is None or bool(self.when(values))


def _wanted(control: Control) -> str:
    words = {"int": "a whole number", "float": "a number", "bool": "True or False", "text": "text", "file": "a path"}
    ends = [f"at {side} {end:g}" for side, end in (("least", control.low), ("most", control.high)) if end is not None]
    return " ".join([words[control.kind], " and ".join(ends)]).strip()
