"""Where a journal's numbers go besides the journal, which is always written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from mvkit.errors import OptionError


class Tracker(Protocol):
    """Hears each line of a journal as it is written."""

    def write(self, step: int, values: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Numbers as scalars, words as text, in a folder that `tensorboard --logdir` reads.

    first: step that the run goes on from; what was said of later ones is withdrawn.
    """

    def __init__(self, folder: Path, first: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise OptionError(
                "tracker='tensorboard' needs TensorBoard: install 'mvkit[track]', or use tracker=''"
            ) from None
        self._writer = SummaryWriter(folder, purge_step=first + 1 if first else None)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, int | float):
                self._writer.add_scalar(name, value, step)
            else:
                self._writer.add_text(name, str(value), step)

    def close(self) -> None:
        self._writer.close()


def open_tracker(name: str, folder: Path | None, first: int = 0) -> Tracker | None:
    """name: "tensorboard", or "" for none. Raises OptionError where it is not installed or there is no folder."""
    if not name:
        return None
    if folder is None:
        raise OptionError(f"tracker='{name}' writes beside the journal: give the run a folder with out=, or tracker=''")
    return TensorBoard(folder / name, first)
