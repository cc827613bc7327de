"""A masking strategy as controls, and back: every field of a masker's dataclass is one control, whatever the masker.

Ranges, choices and help are those that the masker declares; a strategy that is added as a file is here without a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from mvkit import maskers
from mvkit.maskers import Masker
from mvkit.widgets.controls import Control

# A count given as `keep` stands in place of these, which are then neither shown nor passed on.
REPLACED = {"keep": ("ratio", "rounding")}


def controls_of(name: str, prefix: str = "") -> tuple[Control, ...]:
    """The controls of a strategy; prefix: in front of names, and in words in front of labels. Raises OptionError."""
    return tuple(_control(field, prefix) for field in fields(maskers.get(name)))


def options_of(name: str, values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a strategy's controls that differ from its defaults. Raises OptionError for an unknown one."""
    known = fields(maskers.get(name))
    given = {field.name: values[prefix + field.name] for field in known}
    left_out = {other for one, others in REPLACED.items() if given.get(one) is not None for other in others}
    return {f.name: given[f.name] for f in known if given[f.name] != f.default and f.name not in left_out}


def masker_of(name: str, values: Mapping[str, Any], prefix: str = "") -> Masker:
    """The strategy with these values. Raises MaskError where they contradict each other."""
    return maskers.create(name, **options_of(name, values, prefix))


def call_of(name: str, options: Mapping[str, Any]) -> str:
    """The line of Python that makes it: `mvkit.maskers.create("tube", ratio=0.75)`."""
    return f"mvkit.maskers.create({', '.join([quoted(name), *(f'{k}={quoted(v)}' for k, v in options.items())])})"


def quoted(value: Any) -> str:
    """A value as Python writes it, text in double quotes."""
    return f'"{value}"' if isinstance(value, str) and '"' not in value and "\\" not in value else repr(value)


def _control(field: Field, prefix: str) -> Control:
    meta, default = field.metadata, field.default
    low, high, step = meta["low"], meta["high"], None
    kind = "choice" if meta["choices"] else {bool: "bool", float: "float"}.get(type(default), "int")
    if kind == "float":
        step = 0.01 if high is not None and high - (low or 0) <= 2 else 0.1
    instead = tuple(prefix + one for one, others in REPLACED.items() if field.name in others)
    words = " ".join([prefix.replace("_", " ").strip(), field.name.replace("_", " ")]).strip()
    return Control(
        prefix + field.name, kind, default, label=words, help=meta["help"], choices=tuple(meta["choices"]),
        low=low, high=high, step=step,
        when=(lambda values: all(values.get(one) is None for one in instead)) if instead else None,
    )  # fmt: skip
