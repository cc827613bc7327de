"""Clips that the tests of reading share, each written once a session, when first asked for."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `barcode`, whatever pytest's import mode

import barcode

os.environ.setdefault("SVT_LOG", "0")


@pytest.fixture(scope="session")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a clip in `barcode.CLIPS` -> its file."""
    folder, written = tmp_path_factory.mktemp("clips"), {}

    def file(name: str) -> Path:
        if name not in written:
            clip = barcode.CLIPS[name]
            written[name] = barcode.write(folder / f"{len(written)} {name.replace(':', '')}{clip.suffix}", clip)
        return written[name]

    return file
