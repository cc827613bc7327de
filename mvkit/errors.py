"""What mvkit raises. Every class is also a `ValueError`, so old code that catches that keeps working.

    MvkitError(ValueError)
      OptionError       an unknown name, a wrong type or range in an option, parameter or spec
      ShapeError        tensors or grids whose sizes do not fit together
      MaskError         a mask that cannot be made, or rows that hide different counts
      DataError         a video, manifest or data card that cannot be read as asked
      CheckpointError   weights that cannot be read, or do not belong to this model
      RunError          a run that cannot start, go on or be found

Messages say the thing, what was wanted, what came and the likely repair, in one line.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MvkitError(ValueError):
    """Anything mvkit refuses; the message is one line meant for the person at the keyboard."""


class OptionError(MvkitError):
    """An unknown name, a wrong type or a value out of range."""


class ShapeError(MvkitError):
    """Tensors or grids whose sizes do not fit together."""


class MaskError(MvkitError):
    """A mask that cannot be made, or whose rows hide different counts."""


class DataError(MvkitError):
    """A video, manifest or data card that cannot be read as asked."""


class CheckpointError(MvkitError):
    """Weights that cannot be read, or that do not belong to this model."""


class RunError(MvkitError):
    """A run that cannot start, go on or be found."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line for an unknown name: the nearest known one first, then all of them."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{name}'{hint} known: {', '.join(known) or 'none'}"
