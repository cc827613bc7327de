"""A recording of an official implementation: tensors, its sidecar, and who has read what.

A recording is `<kind>[_anything].safetensors` with a `.json` of the same name, or `<kind>_aux[_anything].json` alone.
Every tensor read through a `Recording` is marked, and so is every entry where there are no tensors, so that one that no
check reads can be named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mvkit.errors import DataError, MvkitError
from mvkit.parity._entries import Entries, compare

# A tolerance is an absolute part and one of the largest value of its group. Most recordings suggest 1e-4 of the value,
# which on values of ten would hide an error of 1e-3; what was recorded agrees to 1e-6 and the absolute part. One that
# suggests less is held to less.
ABSOLUTE, RELATIVE = 2e-5, 3e-6
# Parts of a group's name -> what a recording may suggest a tolerance of its own for; tried in this order.
_SUGGESTED = {"grad": "_gradients", "loss": "_losses", "variants": "_losses", "trajectory": "_losses"}
# What a damaged recording, or one of other parts than expected, makes a check raise: a failure of that recording.
DAMAGE = (LookupError, AttributeError, TypeError, ValueError, ArithmeticError, OSError, RuntimeError, SafetensorError)


@dataclass(frozen=True)
class GroupResult:
    """One checked group: largest absolute difference against its tolerance, or why it could not be checked."""

    fixture: str
    group: str
    difference: float
    tolerance: float
    note: str = ""

    @property
    def passed(self) -> bool:
        # not(>) would let NaN pass
        return self.difference <= self.tolerance

    def line(self) -> str:
        verdict = "PASS" if self.passed else "FAIL"
        line = f"{verdict} {self.fixture} {self.group} {self.difference:.3g} {self.tolerance:.3g}"
        return f"{line} {self.note}".rstrip()


def unchecked(fixture: str, group: str, err: Exception) -> GroupResult:
    """The failure that an error is, on one line."""
    said = str(err) if isinstance(err, MvkitError) else f"{type(err).__name__}: {err}"
    if type(err) is KeyError:
        said = f"the recording does not say {err}"
    note = f"cannot be checked: {said}".replace("\n", " ")
    return GroupResult(fixture, group, float("inf"), 0.0, note)


class Recording:
    """tensors: by name; config: the sidecar's; tolerances from the sidecar's suggestion. entries: the sidecar as
    numbers to check, for a recording without tensors."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.sidecar: dict[str, Any] = _sidecar(path.with_suffix(".json"))
        self.tensors = load_file(path) if path.suffix == ".safetensors" else {}
        self.config: dict[str, Any] = self.sidecar["config"] if self.tensors else {}
        self.entries = Entries(self.sidecar)
        self.read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise DataError(f"tensor {name} is missing, which this kind is built from")
        self.read.add(name)
        return self.tensors[name]

    def under(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose names start with prefix, without it."""
        names = [name for name in self.tensors if name.startswith(prefix)]
        return {name.removeprefix(prefix): self[name] for name in names}

    def compare(
        self, group: str, got: Tensor | float, wanted: Tensor | float, *, slack: Tensor | float = 0.0
    ) -> GroupResult:
        """One group: bool and integer tensors must be equal, others agree to the tolerance.

        slack: how far each value may be off besides, where rounding moves some values more than others.
        """
        got, wanted = torch.as_tensor(got).detach(), torch.as_tensor(wanted)
        if got.shape != wanted.shape:
            note = f"shape {tuple(got.shape)} instead of {tuple(wanted.shape)}"
            return GroupResult(self.name, group, float("inf"), 0.0, note)
        difference = (got.double() - wanted.double()).abs()
        if not wanted.is_floating_point():
            return GroupResult(self.name, group, _largest(difference), 0.0)
        tolerance = self.tolerance(group, _largest(wanted.double().abs()))
        return GroupResult(self.name, group, _largest((difference - slack).clamp(min=0)), tolerance)

    def tolerance(self, group: str, largest: float) -> float:
        """What a group may be off by: an absolute part, and one that grows with its largest value."""
        kind = next((kind for part, kind in _SUGGESTED.items() if part in group), "")
        absolute, relative = (
            self.sidecar.get(f"suggested_{name}{kind}", self.sidecar.get(f"suggested_{name}", default))
            for name, default in (("atol", ABSOLUTE), ("rtol", RELATIVE))
        )
        return float(absolute) + min(RELATIVE, float(relative)) * largest

    def check(self, name: str, got: Tensor | float) -> Iterator[GroupResult]:
        """The group of that name if it was recorded; nothing otherwise."""
        if name in self:
            yield self.compare(name, got, self[name])

    def number(self, group: str, got: Tensor | float, wanted: float | None) -> Iterator[GroupResult]:
        """The group if the sidecar says a number of it; nothing for None."""
        if wanted is not None:
            yield self.compare(group, got, float(wanted))

    def same(self, group: str, got: Any, wanted: Any) -> GroupResult:
        """One group of plain numbers, words and lists of them: whole numbers and words equal, others to 1e-9."""
        difference, tolerance, place = compare(got, wanted)
        return GroupResult(self.name, group, difference, tolerance, place if difference > tolerance else "")

    def computed(
        self, group: str, cases: Iterable[Entries], compute: Callable[[Entries], Mapping[str, Any]]
    ) -> Iterator[GroupResult]:
        """One group for everything that `compute` gives of a case and that was recorded there, over all cases."""
        got: dict[str, list] = {}
        wanted: dict[str, list] = {}
        for case in cases:
            for key, value in compute(case).items():
                if key in case:
                    got.setdefault(key, []).append(value)
                    wanted.setdefault(key, []).append(case.plain(key))
        for key in got:
            yield self.same(f"{group}.{key}", got[key], wanted[key])

    def guarded(self, group: str, results: Iterable[GroupResult]) -> Iterator[GroupResult]:
        """The results, and a failure of the group in place of what a damaged entry raises; the others go on."""
        try:
            yield from results
        except DAMAGE as err:
            yield unchecked(self.name, group, err)

    def unread(self) -> list[str]:
        """What no check has read: tensors, and entries of a recording that is nothing but entries."""
        tensors = [f"tensor {name}" for name in sorted(set(self.tensors) - self.read)]
        return tensors or ([] if self.tensors else [f"entry {name}" for name in self.entries.unread()])


def _sidecar(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path.name} is missing: a recording is built from the settings in it")
    try:
        said = json.loads(path.read_text())
    except ValueError as err:
        raise DataError(f"{path.name} is not JSON ({err}): copy it again") from None
    if not isinstance(said, dict):
        raise DataError(f"{path.name} holds a {type(said).__name__}, wanted an object of settings and numbers")
    return said


def _largest(values: Tensor) -> float:
    return float(values.max()) if values.numel() else 0.0
