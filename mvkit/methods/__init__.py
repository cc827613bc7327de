"""Pre-training methods, one file each; the file's name is the method's name."""

from typing import Any

from mvkit import plugins
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
