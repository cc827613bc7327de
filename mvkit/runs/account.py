"""What one run says of itself in its small files: how it stands, what it was asked, which clips, what it found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mvkit.errors import RunError
from mvkit.runs.files import read_json
from mvkit.runs.folder import RunFolder
from mvkit.runs.measures import measures
from mvkit.runs.status import read_status

# Of a spec, what decides which clips are read and how they look; of a notebook without one, its parameters.
_OF_SPEC = ("frames", "stride", "image")
_OF_PARAMETERS = ("card", "video", "sample", "train_list", "val_list", "frames", "stride", "image")
_NAMING = ("card", "video", "sample", "train_list", "val_list")  # without one of these nothing says which clips


@dataclass(frozen=True)
class Account:
    """One run. status: as `read_status` gives it, "unreadable" where a file is broken, "skipped" or "not begun" where
    only a sweep's plan tells of it. options: its parameters, or the spec of a folder that `fit` alone made."""

    folder: RunFolder
    status: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: RunFolder) -> Account:
        """Never raises for a broken file: one of a thousand must not hide the others."""
        try:
            status = read_status(folder)
            spec = read_json(folder.path / "spec.json")
            options = read_json(folder.params) or spec
            found = read_json(folder.results) if status["state"] == "done" else {}
            return cls(folder, status, options, read_json(folder.provenance), found, spec)
        except RunError as err:
            return cls(folder, {"state": "unreadable", "cause": str(err).replace(f"{folder.path}/", "")})

    @property
    def name(self) -> str:
        """`<notebook>/<run id>`."""
        return self.folder.name

    @property
    def notebook(self) -> str:
        return self.folder.path.parent.name

    @property
    def state(self) -> str:
        return self.status["state"]

    @property
    def done(self) -> bool:
        return self.state == "done"

    @property
    def cause(self) -> str:
        """Why it did not end, in one line, with the cell; "" for one that did."""
        cell = f"cell {self.status['cell']}: " if self.state == "failed" and self.status.get("cell") else ""
        return f"{cell}{self.status['cause']}" if self.status.get("cause") else ""

    @property
    def method(self) -> str:
        """What was trained, a name in mvkit.methods; "" where nothing was."""
        return self.spec.get("method", "")

    @property
    def code(self) -> str:
        """Seven digits of the hash of mvkit's sources and as many of the notebook's; "" where it is not recorded."""
        hashes = (self.provenance.get(part, {}).get("hash", "") for part in ("code", "notebook"))
        return "-".join(one[:7] for one in hashes if one)

    @property
    def seed(self) -> Any:
        """Of parameter `seed`; None without one."""
        return self.options.get("seed")

    @cached_property
    def broken(self) -> dict[str, str]:
        """Videos that could not be read, and why; others were shown in their place."""
        found = self.results.get("broken")
        if isinstance(found, Mapping):
            return {str(path): str(why) for path, why in found.items()}
        return {} if self.done else _replaced(self.folder.metrics)

    @cached_property
    def measures(self) -> dict[str, float]:
        """Every number of results.json by a name that can be read; the encoder this run trained is "trained"."""
        return measures(self.results, self.method)

    @cached_property
    def figures(self) -> dict[str, Path]:
        """Pictures by name."""
        return {path.stem: path for path in sorted(self.folder.figures.glob("*.png"))}

    @cached_property
    def clips(self) -> tuple[tuple[str, Any], ...]:
        """What says which clips the run has seen and how large; empty where nothing does. Equal: the same clips."""
        if self.spec:
            data = dict(self.spec.get("data") or {})
            if "manifest" not in data:
                # Sample clips are drawn from the run's own seed and size unless the data have theirs.
                data = {"seed": self.spec.get("seed", 0), "size": self.spec.get("image"), **data}
            known = {"card": self.spec.get("card"), **data, **{name: self.spec.get(name) for name in _OF_SPEC}}
            known |= {name: self.options[name] for name in ("val_list", "video") if self.options.get(name)}
        elif any(name in self.options for name in _NAMING):
            known = {name: self.options[name] for name in _OF_PARAMETERS if self.options.get(name) not in (None, "")}
        else:
            return ()
        if card := self.provenance.get("card"):
            known["card hash"] = card.get("hash")
        return tuple(sorted((name, _hashable(value)) for name, value in known.items()))

    @property
    def clips_in_words(self) -> str:
        """One line; of a path its last part."""
        return ", ".join(f"{name} {Path(str(value)).name or value}" for name, value in self.clips) or "not recorded"


def _replaced(journal: Path) -> dict[str, str]:
    """Read here, line by line: `mvkit.train` would load torch to list runs."""
    found = {}
    for text in journal.read_text(encoding="utf-8").splitlines() if journal.exists() else ():
        with suppress(ValueError):  # the half line of a run that was killed
            line = json.loads(text) if '"replaced"' in text else {}
            found |= {line["replaced"]: line.get("reason", "")} if "replaced" in line else {}
    return found


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
