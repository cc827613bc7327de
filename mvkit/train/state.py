"""Checkpoints that resume exactly: weights, optimiser, step and random state, whole or not there at all.

A checkpoint is a folder `step_000200` written under a temporary name and renamed, with the SHA-256 of each of its
files; the last `keep` stay, and the best. One that does not read, or is not what was written, is passed over with a
warning for the one before it. Written in the training loop: a copy for a thread would need the memory twice.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from mvkit import checkpoints
from mvkit.errors import CheckpointError, RunError
from mvkit.methods.base import Method
from mvkit.train import shards
from mvkit.train.ema import Ema
from mvkit.train.parallel import Team
from mvkit.train.spec import RunSpec
from mvkit.whole import whole

_TRAINING, _HASHES, _BEST, _EMA = "training.pt", "sha256.json", "best.json", "ema"


@dataclass
class Training:
    """What a checkpoint keeps. scaler: of fp16's gradients, or None. ema: or None."""

    method: Method
    optimiser: torch.optim.Optimizer
    team: Team
    ema: Ema | None = None
    scaler: torch.amp.GradScaler | None = None
    sharded: bool = False


def save(folder: Path, step: int, training: Training, spec: RunSpec) -> Path:
    """Write the state after `step` steps. Returns the checkpoint's folder. Every process must call it."""
    done = folder / f"step_{step:06d}"
    method, optimiser = training.method, training.optimiser
    weights = shards.whole_weights(method) if training.sharded else method.state_dict()
    states = shards.whole_states(method, optimiser) if training.sharded else optimiser.state_dict()
    mean = {name: shards.whole(value) for name, value in training.ema.weights.items()} if training.ema else {}
    if training.team.leads:
        part = folder / f".part_{step:06d}"
        shutil.rmtree(part, ignore_errors=True)
        _write(part, method, weights, spec)
        if mean:
            _write(part / _EMA, method, {**weights, **mean}, spec)
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        kept = {"step": step, "optimiser": states, "rng": torch.get_rng_state(), "cuda_rng": cuda}
        if training.scaler:
            kept["scaler"] = training.scaler.state_dict()
        torch.save(kept, part / _TRAINING)
        (part / _HASHES).write_text(json.dumps(_hashes(part), indent=2) + "\n")
        shutil.rmtree(done, ignore_errors=True)
        part.replace(done)
        forget(folder, spec.keep)
    training.team.wait()
    return done


def found(folder: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    return sorted(folder.glob("step_*"))


def forget(folder: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints and the best."""
    spared = best(folder).get("step")
    for old in found(folder)[:-keep]:
        if old.name != f"step_{spared or 0:06d}":
            shutil.rmtree(old)


def best(folder: Path) -> dict[str, Any]:
    """{"step": of the best checkpoint, "name": of its score, "score": the score}; {} where none was named."""
    try:
        return json.loads((folder / _BEST).read_text())
    except FileNotFoundError:
        return {}


def name_best(folder: Path, step: int, name: str, score: float) -> None:
    """Say which step is the best, before it is saved."""
    with whole(folder / _BEST) as part:
        part.write_text(json.dumps({"step": step, "name": name, "score": score}) + "\n")


def restore(folder: Path, training: Training) -> int:
    """Load the newest checkpoint that reads and is what was written; its step, or 0 if there is none.

    Raises RunError if the processes of a run find different ones.
    """
    saved, kept, mean = _newest(folder)
    steps = training.team.all(kept.get("step", 0))
    if len(set(steps)) > 1:
        raise RunError(f"the processes found different checkpoints in {folder} (steps {steps}): they must share a disk")
    if not kept:
        return 0
    if training.sharded:
        shards.spread(training.method, training.optimiser, saved, kept["optimiser"])
    else:
        checkpoints.load_state(training.method, saved)
        training.optimiser.load_state_dict(kept["optimiser"])
    if training.ema:
        training.ema.load(mean or saved)
    if training.scaler and "scaler" in kept:
        training.scaler.load_state_dict(kept["scaler"])
    torch.set_rng_state(kept["rng"])
    if kept["cuda_rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(kept["cuda_rng"][: torch.cuda.device_count()])
    return kept["step"]


def _newest(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, Tensor]]:
    """Weights, the rest and the running mean of the newest good checkpoint; empty if there is none."""
    for path in reversed(found(folder)):
        try:
            verify(path)
            saved = dict(checkpoints.read(path).state)
            kept = torch.load(path / _TRAINING, weights_only=True, map_location="cpu")
            mean = dict(checkpoints.read(path / _EMA).state) if (path / _EMA).is_dir() else {}
        except (CheckpointError, OSError, RuntimeError, EOFError) as err:
            warnings.warn(f"checkpoint {path.name} cannot be read, trying the one before: {err}", stacklevel=3)
            continue
        return saved, kept, mean
    return {}, {}, {}


def verify(path: Path) -> None:
    """Are the files of a checkpoint those that were written? One from before there were hashes passes.

    Raises CheckpointError for a file that is missing, cut short or changed.
    """
    if not (path / _HASHES).exists():
        return
    try:
        wanted = json.loads((path / _HASHES).read_text())
    except ValueError:
        raise CheckpointError(f"{path / _HASHES} is damaged") from None
    there = _hashes(path)
    for name, value in wanted.items():
        if there.get(name) != value:
            what = "is missing" if name not in there else "is not what was written (SHA-256 differs)"
            raise CheckpointError(f"{path / name} {what}")


def _hashes(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != _HASHES:
            with path.open("rb") as file:
                found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _write(folder: Path, method: Method, weights: dict[str, Tensor], spec: RunSpec) -> None:
    view: Any = SimpleNamespace(state_dict=lambda: weights, encoder=method.encoder)
    checkpoints.save(folder, view, name=spec.method, options=spec.method_options())
