"""Files that a parameter names, looked at before a kernel starts: a wrong one would be found minutes into the run."""

from collections.abc import Callable
from pathlib import Path

from mvkit.errors import DataError

_LOOKS = 5  # frames read, first and last among them: at most as many groups of pictures are decoded


def file(path: Path) -> None:
    """Raises DataError where there is no ordinary file."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; relative paths start at the project root")


def video(path: Path) -> None:
    """Raises DataError where it is no video, has one frame only, or is damaged where we look. Loads PyAV, not torch."""
    from mvkit.data.frames import read_frames
    from mvkit.data.probe import probe

    file(path)
    last = probe(path).frames - 1
    if not last:
        raise DataError(f"{path}: one frame only, wanted a video that moves")
    read_frames(path, sorted({last * look // (_LOOKS - 1) for look in range(_LOOKS)}))


CHECKS: dict[str, Callable[[Path], None]] = {"file": file, "video": video}
