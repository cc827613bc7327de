"""The kit's own layout: a folder with `config.json` (how to build the method) and `model.safetensors` (its weights).

Both are written to a temporary name and renamed, config last, so a folder with a config is complete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mvkit.errors import CheckpointError
from mvkit.models.vit import VideoViT
from mvkit.whole import whole

CONFIG, WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True)
class Report:
    """What happened to each name when weights were loaded.

    matched, missing (left as they were made), reshaped: names of ours. unexpected: names of the file that we do not
    know; left_out: those we know and do not need, such as a decoder's. notes: what was decided on the way, in words.
    """

    matched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{len(self.matched)} matched"]
        for what in ("missing", "unexpected", "reshaped", "left_out"):
            names = getattr(self, what)
            if names:
                listed = f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
                parts.append(f"{len(names)} {what.replace('_', ' ')} ({listed})")
        return "; ".join([", ".join(parts), *self.notes])


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


@dataclass(frozen=True)
class Saved:
    """A saved method: its name, the options `methods.create` was called with, its encoder's config, and its weights."""

    method: str
    options: Mapping[str, Any]
    encoder: Mapping[str, Any]
    state: Mapping[str, Tensor]


def save(folder: Path | str, method: nn.Module, *, name: str, options: Mapping[str, Any]) -> Path:
    """Write a method so that `methods.load` builds it again, and `load_encoder` its encoder. Returns the folder.

    method: with an `encoder`. name, options: what `methods.create` was called with.
    """
    folder = Path(folder)
    state = {key: value.detach().cpu().contiguous() for key, value in method.state_dict().items()}
    encoder: Any = method.encoder
    config = {"method": name, "options": dict(options), "encoder": encoder.config}
    with whole(folder / WEIGHTS) as part:
        save_file(state, part)
    with whole(folder / CONFIG) as part:
        part.write_text(json.dumps(config, indent=2) + "\n")
    return folder


def read(folder: Path | str) -> Saved:
    """What is saved in a folder: a saved method, or a run, whose newest checkpoint is read.

    Raises CheckpointError if the folder is not a whole one.
    """
    folder = newest(folder)
    try:
        said = json.loads((folder / CONFIG).read_text())
        return Saved(said["method"], said["options"], said["encoder"], load_file(folder / WEIGHTS))
    except (json.JSONDecodeError, SafetensorError, KeyError) as err:
        raise CheckpointError(
            f"{folder} cannot be read: {err}; the file is damaged, use an earlier checkpoint"
        ) from None


def newest(folder: Path | str) -> Path:
    """The folder itself if a method is saved in it, else the newest checkpoint of the run that it holds."""
    folder = Path(folder)
    steps = sorted(folder.glob("checkpoint/step_*")) + sorted(folder.glob("step_*"))
    for path in (folder, *reversed(steps)):
        if (path / CONFIG).is_file() and (path / WEIGHTS).is_file():
            return path
    missing = next((name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()), CONFIG)
    raise CheckpointError(f"{folder} is not a saved method: {missing} is missing, and there is no checkpoint/ below it")


def load_encoder(folder: Path | str, **changes: Any) -> tuple[VideoViT, Report]:
    """The encoder saved in a folder or run, in eval mode; nothing else of its method is built.

    changes: fields of the encoder's config that differ, such as drop_path. Raises CheckpointError.
    """
    saved = read(folder)
    encoder = VideoViT.from_config(saved.encoder, **changes)
    state = {n.removeprefix("encoder."): value for n, value in saved.state.items() if n.startswith("encoder.")}
    return encoder.eval(), load_state(encoder, state)
