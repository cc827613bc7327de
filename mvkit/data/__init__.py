"""Data: files to uint8 clips. Readers, manifests, frame sampling, augmentation, the loader and `moving_shapes`.

This door is light; a name loads its module, and PyAV or torch behind it, at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# ruff: noqa: F401 (these imports tell editors what `__getattr__` gives)
if TYPE_CHECKING:
    from mvkit.data import audit, augment, cuttings, ingest, probe, sampling, shapes, views
    from mvkit.data.dataset import ClipDataset
    from mvkit.data.frames import read_frames, readers_available
    from mvkit.data.loader import clip_loader
    from mvkit.data.manifest import Manifest, read_manifest
    from mvkit.data.sample import Sample
    from mvkit.data.store import load_arrays

_ROOMS = ("audit", "augment", "cuttings", "ingest", "probe", "sampling", "shapes", "views")
_ITEMS = {
    "ClipDataset": "dataset",
    "Manifest": "manifest",
    "Sample": "sample",
    "clip_loader": "loader",
    "load_arrays": "store",
    "read_frames": "frames",
    "read_manifest": "manifest",
    "readers_available": "frames",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"mvkit.data.{name}")
    if name in _ITEMS:
        return getattr(import_module(f"mvkit.data.{_ITEMS[name]}"), name)
    raise AttributeError(f"module 'mvkit.data' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted((*_ROOMS, *_ITEMS))
