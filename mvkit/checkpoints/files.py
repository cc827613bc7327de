"""Official files: opened without running anything in them, and written as their loaders want them.

Training files wrap the weights in `model` (DeepSpeed: `module`; others: `state_dict`) and often hold an
argparse.Namespace of the command line beside them. That one class is let through, nothing else.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from mvkit.errors import CheckpointError
from mvkit.whole import whole

WRAPPERS = ("model", "module", "state_dict")
PICKLED, SAFE = (".pth", ".pt", ".bin"), ".safetensors"
# Where this kit keeps the encoder's config in a file it writes; official loaders look at the weights only.
CONFIG = "mvkit_encoder"


@dataclass(frozen=True)
class Weights:
    """state: official name -> tensor. config: the encoder's, if this kit wrote the file; else empty."""

    state: Mapping[str, Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)


def open_weights(source: Path | str | Mapping[str, Any]) -> Weights:
    """The weights in a file, or in what was loaded from one. Raises CheckpointError for anything else or unsafe."""
    if isinstance(source, Mapping):
        return _unwrapped(source, "the state given")
    path = Path(source)
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; wanted a run folder or a file of official weights")
    if path.suffix == SAFE:
        return _safetensors(path)
    if path.suffix not in PICKLED:
        raise CheckpointError(f"{path} is no file of weights: wanted {', '.join((*PICKLED, SAFE))}")
    return _unwrapped(_unpickled(path), str(path))


def write_weights(path: Path, state: Mapping[str, Tensor], *, wrap: bool, config: Mapping[str, Any]) -> None:
    """Write official weights, whole or not at all. wrap: a pickled file has them under `model`, and config beside."""
    if path.suffix not in (*PICKLED, SAFE):
        raise CheckpointError(f"{path}: weights are written as {', '.join((*PICKLED, SAFE))}")
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    with whole(path) as part:
        if path.suffix == SAFE:
            save_file(tensors, part, metadata={"format": "pt", CONFIG: json.dumps(dict(config))})
        else:
            torch.save({"model": tensors, CONFIG: dict(config)} if wrap else tensors, part)


def _safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, "pt") as opened:
            said = (opened.metadata() or {}).get(CONFIG, "{}")
        return Weights(load_file(path), json.loads(said))
    except (SafetensorError, json.JSONDecodeError, OSError) as err:
        raise CheckpointError(f"{path} cannot be read: {err}; download or copy it again") from None


def _unpickled(path: Path) -> Any:
    archive = zipfile.is_zipfile(path)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what they warn of is refused below, in one line
            # Mapped, so that the optimiser's two thirds of a training file are never read.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except pickle.UnpicklingError as err:
        found = re.search(r"GLOBAL (\S+)", str(err))
        raise CheckpointError(
            f"{path} holds more than weights ({found.group(1) if found else 'a Python object'}) and opening it could "
            "run code: refused. If you trust its source, save its tensors alone, or as .safetensors, and open that"
        ) from None
    except Exception as err:  # the unpickler meets arbitrary bytes, and stumbles over them in any way
        if "TorchScript" in str(err):
            raise CheckpointError(
                f"{path} is a TorchScript program, as OpenAI publishes CLIP: refused. If you trust its source, save "
                "its weights: torch.save(torch.jit.load(path).state_dict(), 'clip.pth')"
            ) from None
        raise CheckpointError(f"{path} is damaged, or no file of PyTorch's: download or copy it again") from None


def _unwrapped(found: Any, where: str) -> Weights:
    config: Mapping[str, Any] = {}
    while isinstance(found, Mapping):
        config = found[CONFIG] if isinstance(found.get(CONFIG), Mapping) else config
        inner = next((key for key in WRAPPERS if isinstance(found.get(key), Mapping)), None)
        if inner is None:
            break
        # MaskAgain keeps projections beside the model, each a state of its own.
        beside = {
            f"{key}.{name}": value
            for key, part in found.items()
            if str(key).startswith("Align_") and isinstance(part, Mapping)
            for name, value in part.items()
        }
        found = {**found[inner], **beside}
    tensors = {n: v for n, v in found.items() if isinstance(v, Tensor)} if isinstance(found, Mapping) else {}
    if not tensors:
        raise CheckpointError(f"{where} holds no weights: wanted tensors by name, bare or in {', '.join(WRAPPERS)}")
    if all(name.startswith("module.") for name in tensors):  # saved from DistributedDataParallel
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return Weights(tensors, config)
