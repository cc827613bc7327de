"""Pre-training methods, one file each; the file's name is the method's name."""

from pathlib import Path
from typing import Any

from mvkit import checkpoints, plugins
from mvkit.methods.base import Method as Method
from mvkit.methods.base import StepOutput as StepOutput


def available() -> tuple[str, ...]:
    """Names of all methods."""
    return plugins.available(__name__)


def get(name: str) -> type[Method]:
    """The class of a method. Raises OptionError, listing the known names."""
    return plugins.load(__name__, name, Method, "method")


def create(name: str, **options: Any) -> Method:
    """A method from options: `create("videomae", size="tiny", frames=8, image=64, patch=8)`. Raises OptionError."""
    return plugins.build(get(name).build, f"method '{name}'", options)


def load(folder: Path | str) -> tuple[Method, checkpoints.Report]:
    """The method saved in a folder or run, its teachers opened again, and what matched. Raises CheckpointError.

    For the encoder alone, without teachers, see `checkpoints.load_encoder`.
    """
    saved = checkpoints.read(folder)
    method = create(saved.method, **saved.options)
    return method, checkpoints.load_state(method, saved.state)
