"""A tiny encoder, and a tiny set of real video files, written once a session."""

import pytest
import torch

from mvkit.data import read_manifest, shapes
from mvkit.data.manifest import Manifest
from mvkit.models import VideoViT
from mvkit.tokens import TokenGrid


@pytest.fixture
def encoder() -> VideoViT:
    """Of clips of 4 frames of 32 x 32 pixels."""
    torch.manual_seed(0)
    return VideoViT(TokenGrid(t=2, h=4, w=4), patch=8, width=48, depth=2, heads=3).eval()


@pytest.fixture(scope="session")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """24 clips of moving_shapes, 12 frames of 32 x 32 pixels."""
    spec = shapes.ShapesSpec(clips=24, val=8, frames=12, size=32)
    return read_manifest(shapes.write(tmp_path_factory.mktemp("moving"), spec))


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """8 clips to learn from and 8 held out, of both stories: 12 frames of 32 x 32 pixels."""
    spec = shapes.ShapesSpec(clips=16, val=8, frames=12, size=32, story="all")
    return read_manifest(shapes.write(tmp_path_factory.mktemp("told"), spec))
