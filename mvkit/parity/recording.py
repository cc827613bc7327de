"""A recording of an official implementation: tensors, its sidecar, and who has read what.

A recording is `<kind>[_anything].safetensors` with a `.json` of the same name. Every tensor read through a `Recording`
is marked, so that one that no check reads can be named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

# Relative part of a tolerance. Recordings suggest 1e-4, which on values of ten would hide an error of 1e-3; float32
# sums of these sizes agree to a few 1e-6.
RELATIVE = 1e-5


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


class Recording:
    """tensors: by name; config: the sidecar's; tolerances from the sidecar's suggestion."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.sidecar: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        self.tensors = load_file(path)
        self.config: dict[str, Any] = self.sidecar["config"]
        self.absolute = float(self.sidecar.get("suggested_atol", 2e-5))
        self.read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def __getitem__(self, name: str) -> Tensor:
        self.read.add(name)
        return self.tensors[name]

    def under(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose names start with prefix, without it."""
        names = [name for name in self.tensors if name.startswith(prefix)]
        return {name.removeprefix(prefix): self[name] for name in names}

    def compare(self, group: str, got: Tensor | float, wanted: Tensor | float) -> GroupResult:
        """One group: bool and integer tensors must be equal, others agree to the tolerance."""
        got, wanted = torch.as_tensor(got).detach(), torch.as_tensor(wanted)
        if got.shape != wanted.shape:
            note = f"shape {tuple(got.shape)} instead of {tuple(wanted.shape)}"
            return GroupResult(self.name, group, float("inf"), 0.0, note)
        difference = _largest((got.double() - wanted.double()).abs())
        if not wanted.is_floating_point():
            return GroupResult(self.name, group, difference, 0.0)
        return GroupResult(self.name, group, difference, self.absolute + RELATIVE * _largest(wanted.double().abs()))

    def check(self, name: str, got: Tensor | float) -> Iterator[GroupResult]:
        """The group of that name if it was recorded; nothing otherwise."""
        if name in self:
            yield self.compare(name, got, self[name])

    def unread(self) -> list[str]:
        return sorted(set(self.tensors) - self.read)


def _largest(values: Tensor) -> float:
    return float(values.max()) if values.numel() else 0.0
