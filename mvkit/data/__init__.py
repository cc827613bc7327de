"""Data: files to uint8 clips. Readers, manifests, frame sampling, augmentation, the loader and `moving_shapes`.

This door is light; a name loads its module, and PyAV or torch behind it, at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvkit.data import augment, probe, sampling, shapes, views
    from mvkit.data.dataset import Batch, ClipDataset
    from mvkit.data.frames import read_frames
    from mvkit.data.loader import clip_loader
    from mvkit.data.manifest import Manifest, Sample, read_manifest
    from mvkit.data.probe import VideoInfo
    from mvkit.data.shapes import ShapesSpec
    from mvkit.data.store import load_arrays

_ROOMS = ("augment", "probe", "sampling", "shapes", "views")
_ITEMS = {
    "Batch": "dataset",
    "ClipDataset": "dataset",
    "Manifest": "manifest",
    "Sample": "manifest",
    "ShapesSpec": "shapes",
    "VideoInfo": "probe",
    "clip_loader": "loader",
    "load_arrays": "store",
    "read_frames": "frames",
    "read_manifest": "manifest",
}

__all__ = [
    "Batch",
    "ClipDataset",
    "Manifest",
    "Sample",
    "ShapesSpec",
    "VideoInfo",
    "augment",
    "clip_loader",
    "load_arrays",
    "probe",
    "read_frames",
    "read_manifest",
    "sampling",
    "shapes",
    "views",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"mvkit.data.{name}")
    if name in _ITEMS:
        return getattr(import_module(f"mvkit.data.{_ITEMS[name]}"), name)
    raise AttributeError(f"module 'mvkit.data' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
