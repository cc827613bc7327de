"""Recordings of the official codes that are committed here, so that every clone can check itself; and spoilt ones."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from mvkit import parity


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recordings; see its README."""
    return Path(__file__).parent / "recordings"


class Copied:
    """One recording in a folder of its own, where a test may change it."""

    def __init__(self, path: Path) -> None:
        self.path, self.json, self.folder, self.name = path, path.with_suffix(".json"), path.parent, path.stem

    def change(self, edit) -> None:
        """edit: takes the tensors and what the sidecar says, and changes them in place."""
        tensors, said = load_file(self.path), json.loads(self.json.read_text())
        edit(tensors, said)
        save_file(tensors, self.path)
        self.json.write_text(json.dumps(said))

    def results(self) -> dict[str, parity.GroupResult]:
        return {result.group: result for result in parity.check(self.folder)}

    def failures(self) -> list[parity.GroupResult]:
        return [result for result in parity.check(self.folder) if not result.passed]

    def failed(self) -> set[str]:
        return {result.group for result in self.failures()}


@pytest.fixture
def recording(request, recordings, tmp_path) -> Copied:
    """A copy of the recording called NAME in the module of the test, or by the parameter of the test."""
    name = getattr(request, "param", None) or request.module.NAME
    for suffix in (".safetensors", ".json"):
        shutil.copy(recordings / f"{name}{suffix}", tmp_path)
    return Copied(tmp_path / f"{name}.safetensors")


@pytest.fixture
def record(tmp_path):
    """Write a recording of our own; gives it back."""

    def write(name, tensors, **said) -> Copied:
        found = Copied(tmp_path / f"{name}.safetensors")
        save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, found.path)
        found.json.write_text(json.dumps(said))
        return found

    return write
