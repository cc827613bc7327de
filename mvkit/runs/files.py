"""Files that are whole or not there: written beside, synced, then moved into place in one step."""

import errno
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mvkit.errors import RunError
from mvkit.runs.kinds import native
from mvkit.whole import whole


class DiskFull(RunError):
    """No room for a file of a run; the command line ends with its own exit code."""

    exit_code = 7


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Replace a file by `data`; a reader sees the old bytes or the new. Raises DiskFull, or RunError (no right)."""
    try:
        with whole(path) as part, part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as err:
        refused = DiskFull if err.errno in (errno.ENOSPC, errno.EDQUOT) else RunError
        raise refused(
            f"{path} could not be written: {err.strerror or err}; free space or choose another --out"
        ) from err


def write_json_atomic(path: Path, data: Any) -> None:
    """`data` as JSON that every reader takes; see `jsonable`."""
    write_bytes_atomic(path, (json.dumps(jsonable(data), indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or {} where there is no file yet. Raises RunError for a file that is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as err:
        raise RunError(f"{path} is not JSON: {err}; move it away and run again") from None


def read_tail(path: Path) -> list[dict[str, Any]]:
    """The whole lines in the last 8 kB of a file of JSON lines that may still be written; [] where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            lines = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError):  # the first may have lost its head
            found.append(json.loads(line))
    return [line for line in found if isinstance(line, dict)]


def jsonable(value: Any) -> Any:
    """Native values that strict JSON holds: numpy and torch scalars and arrays unpacked, paths as text.

    nan and infinities, which JSON has no word for, become the texts "NaN", "Infinity", "-Infinity".
    Raises RunError for anything else that is no number, text, list or mapping.
    """
    value = native(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return json.dumps(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, Path):
        return str(value)
    raise RunError(f"{type(value).__name__} cannot be written as JSON: give numbers, texts, lists or mappings")
