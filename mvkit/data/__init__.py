"""Data: files to uint8 clips. Readers, manifests, frame sampling, augmentation, the loader and `moving_shapes`.

This door is light; a name loads its module, and PyAV or torch behind it, at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvkit.data import audit, augment, cuttings, ingest, probe, sampling, shapes, views
    from mvkit.data.audit import AuditRecord, load_audit, save_audit
    from mvkit.data.dataset import Batch, ClipDataset
    from mvkit.data.frames import read_frames, readers_available
    from mvkit.data.ingest import IngestRecord
    from mvkit.data.loader import clip_loader
    from mvkit.data.manifest import Manifest, read_manifest
    from mvkit.data.probe import VideoInfo
    from mvkit.data.sample import Sample
    from mvkit.data.shapes import ShapesSpec
    from mvkit.data.store import load_arrays

_ROOMS = ("audit", "augment", "cuttings", "ingest", "probe", "sampling", "shapes", "views")
_ITEMS = {
    "AuditRecord": "audit",
    "Batch": "dataset",
    "ClipDataset": "dataset",
    "IngestRecord": "ingest",
    "Manifest": "manifest",
    "Sample": "sample",
    "ShapesSpec": "shapes",
    "VideoInfo": "probe",
    "clip_loader": "loader",
    "load_arrays": "store",
    "load_audit": "audit",
    "read_frames": "frames",
    "read_manifest": "manifest",
    "readers_available": "frames",
    "save_audit": "audit",
}

__all__ = [
    "AuditRecord",
    "Batch",
    "ClipDataset",
    "IngestRecord",
    "Manifest",
    "Sample",
    "ShapesSpec",
    "VideoInfo",
    "audit",
    "augment",
    "clip_loader",
    "cuttings",
    "ingest",
    "load_arrays",
    "load_audit",
    "probe",
    "read_frames",
    "read_manifest",
    "readers_available",
    "sampling",
    "save_audit",
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
