"""Does mvkit compute what the authors' code computed? Recordings in, one line a group out.

A module of this folder is a kind of recording; a file is checked by the module with the longest name that its own name
starts with. A recording of a kind that no module covers fails, because it was asked for and not checked.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from mvkit import plugins
from mvkit.errors import DataError
from mvkit.parity.recording import GroupResult as GroupResult
from mvkit.parity.recording import Recording as Recording


def kinds() -> tuple[str, ...]:
    """Kinds of recordings that can be checked."""
    return tuple(name for name in plugins.available(__name__) if name != "recording")


def check(folder: Path | str, only: str | None = None) -> Iterator[GroupResult]:
    """Results of every group of every recording in a folder, file by file.

    only: a prefix of the recordings' names, such as "videomae". Raises DataError if there is nothing to check.
    """
    folder = Path(folder)
    files = [path for path in sorted(folder.glob("*.safetensors")) if path.stem.startswith(only or "")]
    if not files:
        wanted = f"{only}*.safetensors" if only else "*.safetensors"
        raise DataError(
            f"no recording {wanted} in {folder}: give a folder of <kind>[_name].safetensors with .json beside"
        )
    for path in files:
        yield from _check_file(path)


def _check_file(path: Path) -> Iterator[GroupResult]:
    known = [kind for kind in kinds() if path.stem == kind or path.stem.startswith(f"{kind}_")]
    if not known:
        yield _failure(path, f"no checker for this kind; known: {', '.join(kinds())}")
        return
    try:
        recording = Recording(path)
        yield from import_module(f"{__name__}.{max(known, key=len)}").check(recording)
    except (KeyError, OSError, ValueError, RuntimeError) as err:
        yield _failure(path, f"cannot be checked: {type(err).__name__}: {err}".replace("\n", " "))
        return
    for name in recording.unread():
        yield _failure(path, f"nothing reads tensor {name}")


def _failure(path: Path, note: str) -> GroupResult:
    return GroupResult(path.stem, "-", float("inf"), 0.0, note)
