"""Where a result comes from: code, versions, machine, seeds, data card, command. Needs neither git nor torch."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mvkit import cards
from mvkit.errors import MvkitError
from mvkit.runs.notebook import code_hash, notebook_hash, project_root
from mvkit.runs.status import now
from mvkit.version import __version__

_PACKAGES = (
    *("torch", "torchvision", "timm", "einops", "accelerate", "safetensors", "numpy", "pandas", "scikit-learn"),
    *("decord", "av", "torchcodec", "matplotlib", "pydantic", "papermill", "nbclient", "ipykernel"),
)


def provenance(notebook: Path, values: Mapping[str, Any], command: list[str] | None = None) -> dict[str, Any]:
    """One JSON-able record of everything that made this run. command: argv, by default this process's own."""
    root = project_root(notebook)
    return {
        "time": now(),
        "command": command if command is not None else list(sys.argv),
        "folder": str(root),
        "notebook": {"name": notebook.name, "hash": notebook_hash(notebook)},
        "code": {"mvkit": __version__, "hash": code_hash(), **checkout(root)},
        "versions": {"python": platform.python_version(), **versions()},
        "machine": machine(),
        "device": device(),
        "seeds": {name: value for name, value in values.items() if name == "seed" or name.endswith("_seed")},
        "card": card(values.get("card")),
    }


def checkout(folder: Path) -> dict[str, Any]:
    """commit, and the hash of what differs from it (None where clean); commit is None outside a git checkout."""
    if _git(folder, "rev-parse", "--is-inside-work-tree") != b"true\n":
        return {"commit": None, "dirty": None, "why": "not a git checkout, or git is not installed"}
    commit = _git(folder, "rev-parse", "--verify", "-q", "HEAD")
    listed = _git(folder, "status", "--porcelain") or b""
    changes = listed + ((_git(folder, "diff", "HEAD", "--binary") or b"") if commit else b"")
    dirty = hashlib.sha256(changes).hexdigest()[:16] if changes else None
    return {"commit": commit.decode().strip() if commit else None, "dirty": dirty}


def versions() -> dict[str, str | None]:
    """Installed versions of what a result may depend on; None for what is not installed."""
    found: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def machine() -> dict[str, Any]:
    """Host, system, processor, cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"host": platform.node(), "system": platform.platform(), "cpu": _cpu(), "cores": cores}


def device() -> str | None:
    """The accelerator torch sees, or 'cpu'; None while torch is not loaded, for looking would load it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def card(name: Any) -> dict[str, str] | None:
    """Name and fingerprint of the data card that parameter `card` names; None where it is not there."""
    if not isinstance(name, str):
        return None
    try:
        return {"name": name, "hash": cards.load(name).fingerprint}
    except MvkitError as err:
        return {"name": name, "hash": f"unknown: {err}"}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(folder: Path, *words: str) -> bytes | None:
    """Output of a git command, None where git is missing, fails or takes over ten seconds."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
