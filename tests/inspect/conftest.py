"""A tiny set of real video files with captions, questions and choices, written once a session."""

import pytest

from mvkit.data import read_manifest, shapes
from mvkit.data.manifest import Manifest


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """8 clips to learn from and 8 held out, of both stories: 12 frames of 32 x 32 pixels."""
    spec = shapes.ShapesSpec(clips=16, val=8, frames=12, size=32, story="all")
    return read_manifest(shapes.write(tmp_path_factory.mktemp("told"), spec))
