"""The kit's own layout: a folder with `config.json` (how to build the method) and `model.safetensors` (its weights).

Both are written to a temporary name and renamed, config last, so a folder with a config is complete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mvkit import methods
from mvkit.errors import CheckpointError
from mvkit.methods.base import Method


@dataclass(frozen=True)
class Report:
    """What happened to each name when weights were loaded."""

    matched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        parts = [f"{len(self.matched)} matched"]
        for what in ("missing", "unexpected", "reshaped"):
            names = getattr(self, what)
            if names:
                parts.append(f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})")
        return ", ".join(parts)


def load_state(module: nn.Module, state: Mapping[str, Tensor], *, strict: bool = True) -> Report:
    """Copy a state into a module and say what matched.

    strict: missing or unexpected names, or other shapes, raise CheckpointError; else only what fits is copied.
    """
    own = module.state_dict()
    other = tuple(n for n in own if n in state and own[n].shape != state[n].shape)
    report = Report(
        matched=tuple(n for n in own if n in state and n not in other),
        missing=tuple(n for n in own if n not in state),
        unexpected=tuple(n for n in state if n not in own),
        reshaped=other,
    )
    if strict and (report.missing or report.unexpected or other):
        shapes = "; ".join(f"{n} is {tuple(state[n].shape)}, wanted {tuple(own[n].shape)}" for n in other[:2])
        raise CheckpointError(f"weights do not fit {type(module).__name__}: {report}{'; ' + shapes if shapes else ''}")
    module.load_state_dict({name: state[name] for name in report.matched}, strict=False)
    return report


def save(folder: Path | str, method: Method, *, name: str, options: Mapping[str, Any]) -> Path:
    """Write a method so that `load` builds it again from nothing but the folder. Returns the folder.

    name, options: what `methods.create` was called with.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().cpu().contiguous() for key, value in method.state_dict().items()}
    weights, config = folder / "model.safetensors", folder / "config.json"
    save_file(state, folder / ".model.part")
    (folder / ".model.part").replace(weights)
    (folder / ".config.part").write_text(json.dumps({"method": name, "options": dict(options)}, indent=2) + "\n")
    (folder / ".config.part").replace(config)
    return folder


def load(folder: Path | str) -> tuple[Method, Report]:
    """The method saved in a folder, and what matched. Raises CheckpointError if the folder is not a whole one."""
    folder = Path(folder)
    config, weights = folder / "config.json", folder / "model.safetensors"
    for path in (config, weights):
        if not path.is_file():
            raise CheckpointError(f"{folder} is not a saved method: {path.name} is missing")
    try:
        said = json.loads(config.read_text())
        state = load_file(weights)
    except (json.JSONDecodeError, SafetensorError) as err:
        raise CheckpointError(
            f"{folder} cannot be read: {err}; the file is damaged, use an earlier checkpoint"
        ) from None
    method = methods.create(said["method"], **said["options"])
    return method, load_state(method, state)
