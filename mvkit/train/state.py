"""Checkpoints that resume exactly: weights, optimiser, step and random state, whole or not there at all.

A checkpoint is a folder `step_000200` written under a temporary name and renamed; the last `keep` stay. One that does
not read is passed over with a warning for the one before it.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import torch

from mvkit import checkpoints
from mvkit.errors import CheckpointError
from mvkit.methods.base import Method
from mvkit.train.spec import RunSpec

_TRAINING = "training.pt"


def save(folder: Path, step: int, method: Method, optimiser: torch.optim.Optimizer, spec: RunSpec) -> Path:
    """Write the state after `step` steps. Returns the checkpoint's folder."""
    done = folder / f"step_{step:06d}"
    part = folder / f".part_{step:06d}"
    shutil.rmtree(part, ignore_errors=True)
    checkpoints.save(part, method, name=spec.method, options=spec.method_options())
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    training = {"step": step, "optimiser": optimiser.state_dict(), "rng": torch.get_rng_state(), "cuda_rng": cuda}
    torch.save(training, part / _TRAINING)
    shutil.rmtree(done, ignore_errors=True)
    part.replace(done)
    for old in found(folder)[: -spec.keep]:
        shutil.rmtree(old)
    return done


def found(folder: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    return sorted(folder.glob("step_*"))


def restore(folder: Path, method: Method, optimiser: torch.optim.Optimizer) -> int:
    """Load the newest checkpoint that reads into method and optimiser; its step, or 0 if there is none."""
    for path in reversed(found(folder)):
        try:
            saved = checkpoints.read(path)
            training = torch.load(path / _TRAINING, weights_only=True, map_location="cpu")
        except (CheckpointError, OSError, RuntimeError, EOFError) as err:
            warnings.warn(f"checkpoint {path.name} cannot be read, trying the one before: {err}", stacklevel=2)
            continue
        checkpoints.load_state(method, saved.state)
        optimiser.load_state_dict(training["optimiser"])
        torch.set_rng_state(training["rng"])
        if training["cuda_rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(training["cuda_rng"])
        return training["step"]
    return 0
