"""Does mvkit compute what the authors' code computed? Recordings in, one line a group out.

A module of this folder is a kind of recording; a file is checked by the module with the longest name that its own name
starts with. A recording is tensors with a sidecar, or, for the kinds that end in `_aux`, numbers alone. One of a kind
that no module covers fails, because it was asked for and not checked.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from mvkit import plugins
from mvkit.errors import DataError
from mvkit.parity._table import table as table
from mvkit.parity.recording import DAMAGE, unchecked
from mvkit.parity.recording import GroupResult as GroupResult
from mvkit.parity.recording import Recording as Recording

_SUPPORT = ("numpy_masks", "recording")


def kinds() -> tuple[str, ...]:
    """Kinds of recordings that can be checked."""
    return tuple(name for name in plugins.available(__name__) if name not in _SUPPORT)


def check(folder: Path | str, only: str | None = None) -> Iterator[GroupResult]:
    """Results of every group of every recording in a folder, file by file.

    only: a prefix of the recordings' names, such as "videomae". Raises DataError if there is nothing to check.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"no recordings: {folder} {what}, a folder was wanted; choose one file in it with --only")
    # Of a recording with both files the later one is kept, which is the tensors'.
    found = [path for suffix in (".json", ".safetensors") for path in folder.glob(f"*{suffix}")]
    files = {path.stem: path for path in found if path.stem.startswith(only or "")}
    if not files:
        raise DataError(
            f"no recording {f'{only}* ' if only else ''}in {folder}: give a folder of <kind>[_name].safetensors with "
            f".json beside, or <kind>_aux[_name].json"
        )
    for name in sorted(files):
        yield from _check_file(files[name])


def _check_file(path: Path) -> Iterator[GroupResult]:
    known = [kind for kind in kinds() if path.stem == kind or path.stem.startswith(f"{kind}_")]
    kind = max(known, key=len, default="")
    if not kind:
        yield _failure(path, f"no checker for this kind; known: {', '.join(kinds())}")
        return
    if path.suffix == ".json" and not kind.endswith("_aux"):
        yield _failure(path, f"kind {kind} is checked on tensors: {path.stem}.safetensors is missing")
        return
    checked = 0
    try:
        recording = Recording(path)
        for result in import_module(f"{__name__}.{kind}").check(recording):
            checked += 1
            yield result
    except DAMAGE as err:
        yield unchecked(path.stem, "-", err)
        return
    for name in recording.unread():
        yield _failure(path, f"nothing reads {name}")
    if not checked:
        yield _failure(path, "no number was recorded that could be checked")


def _failure(path: Path, note: str) -> GroupResult:
    return GroupResult(path.stem, "-", float("inf"), 0.0, note)
