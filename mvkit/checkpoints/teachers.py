"""Where a teacher comes from: `run:<folder>`, a run of this kit."""

from __future__ import annotations

from collections.abc import Callable

from mvkit.checkpoints.native import load_encoder
from mvkit.errors import OptionError, unknown
from mvkit.models.teachers import Teacher


def open_teacher(said: str | Teacher) -> Teacher:
    """said: "run:<folder of a run or saved method>", or a Teacher, given back as it is.

    Raises OptionError for another beginning, CheckpointError if what it names cannot be read.
    """
    if isinstance(said, Teacher):
        return said
    kind, _, rest = said.partition(":")
    if kind not in SOURCES or not rest:
        raise OptionError(f"teacher '{said}': {unknown('source', kind, SOURCES)}; write it as run:<folder>")
    return SOURCES[kind](rest)


def _run(folder: str) -> Teacher:
    encoder, _ = load_encoder(folder)
    return Teacher(encoder, source=f"run:{folder}")


SOURCES: dict[str, Callable[[str], Teacher]] = {"run": _run}
