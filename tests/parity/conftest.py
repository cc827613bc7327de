"""Recordings of the official codes that are committed here, so that every clone can check itself."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recordings; see its README."""
    return Path(__file__).parent / "recordings"
