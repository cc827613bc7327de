"""A parameter that names another run by its parameters: `run:{notebook: 02_videomae, ratio: 0.9, seed: ${seed}}`.

The plan knows the folder that such a run has, or will have, and puts the run first. `${name}` is the value that the
run with this parameter has for its own parameter `name`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mvkit.errors import OptionError
from mvkit.runs.sweep.commas import split

_OWN = re.compile(r"\$\{\s*(\w+)\s*\}")


@dataclass(frozen=True)
class Reference:
    """notebook: its name or path. given: name -> raw value, typed later by that notebook's parameters."""

    notebook: str
    given: Mapping[str, Any]

    @classmethod
    def read(cls, raw: Any) -> "Reference | None":
        """From `run:{...}` or {"run": {...}}; None for anything else, `run:<folder>` included. Raises OptionError."""
        if isinstance(raw, str) and re.fullmatch(r"\s*run:\s*\{.*\}\s*", raw, re.DOTALL):
            pairs = [part.partition(":") for part in split(raw.strip().partition(":")[2].strip()[1:-1])]
            if wrong := [name for name, colon, _ in pairs if not colon or not name.strip()]:
                raise OptionError(f"`{raw}`: wanted run:{{notebook: NAME, parameter: value, ...}}, got '{wrong[0]}'")
            inside: Any = {name.strip(): value.strip() for name, _, value in pairs}
            if len(inside) < len(pairs):
                raise OptionError(f"`{raw}` names a parameter twice")
        elif isinstance(raw, Mapping) and set(raw) == {"run"} and isinstance(raw["run"], Mapping):
            inside = dict(raw["run"])
        elif isinstance(raw, Mapping):
            raise OptionError(f"a mapping is no value; to name a run write run: {{notebook: NAME, ...}}, got {raw!r}")
        else:
            return None
        notebook = inside.pop("notebook", None)
        if not isinstance(notebook, str) or not notebook:
            raise OptionError(f"`{raw}` names no notebook: write run:{{notebook: NAME, parameter: value, ...}}")
        return cls(notebook, inside)

    def filled(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The raw values, `${name}` replaced from `own`. Raises OptionError for a name that is not there."""
        return {name: _fill(raw, own) for name, raw in self.given.items()}

    def __str__(self) -> str:
        inside = "".join(f", {name}: {value}" for name, value in self.given.items())
        return f"run:{{notebook: {self.notebook}{inside}}}"


def _fill(raw: Any, own: Mapping[str, Any]) -> Any:
    found = _OWN.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if not found:
        return raw
    if found[1] not in own:
        raise OptionError(f"{raw} is no parameter of the run that refers; known: {', '.join(sorted(own))}")
    value = own[found[1]]
    return str(value) if isinstance(value, Reference) else value
