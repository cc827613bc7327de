"""Frames by number: exactly those asked for, or one error that names the file and the frame.

`reader="auto"` takes PyAV, which is exact everywhere and was as fast as decord or faster on every clip measured; where
a stream has no B-frames to skip, torchcodec, once an audit found it exact on the file. decord and torchcodec do not
report damage that the decoder filled in, so without an audit a file is decoded once in full before either is believed.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from operator import index as whole
from os import PathLike
from pathlib import Path

import numpy as np

from mvkit.data.audit import AuditRecord
from mvkit.data.probe import VideoInfo, probe
from mvkit.data.readers._survey import verdict
from mvkit.data.readers.base import FrameReader
from mvkit.errors import DataError, OptionError, unknown
from mvkit.plugins import available, load

READERS = "mvkit.data.readers"


def read_frames(
    path: str | PathLike[str],
    indices: Iterable[int],
    reader: str = "auto",
    *,
    audit: AuditRecord | Mapping[str, AuditRecord] | None = None,
    timeout: float = 120.0,
) -> np.ndarray:
    """Exactly the frames with these numbers: uint8 (len(indices), H, W, 3), RGB, upright as a player shows them.

    indices: whole numbers from 0 in the order of showing; any order, repeats allowed. reader: "auto", "av", "decord" or
    "torchcodec". audit: the record of this file, or all records by path (`load_audit`): lets a reader be used on
    a stream that its rules leave out. timeout: seconds for the whole read.

    Raises DataError where the file cannot be read, a frame is out of range, damaged or missing, or the reader named is
    not known to be exact on the file; OptionError for an unknown reader.
    """
    if reader != "auto" and reader not in available(READERS):
        raise OptionError(unknown("reader", reader, ("auto", *available(READERS))))
    info = probe(path)
    numbers = _numbers(info, indices)
    record = audit.get(str(Path(path).absolute())) if isinstance(audit, Mapping) else audit
    if record is not None and not record.fits(info):
        record = None
    chosen = _fastest(info, record) if reader == "auto" else _insist(info, reader, record, timeout)
    unique = sorted(set(numbers))
    if not unique:
        return np.empty((0, info.height, info.width, 3), np.uint8)
    frames = chosen.read(info, unique, timeout)
    return frames if unique == numbers else frames[np.searchsorted(unique, numbers)]


def readers_available() -> tuple[str, ...]:
    """Names of the readers that load on this machine. The first call imports them, torchcodec with torch among them."""
    return tuple(name for name in available(READERS) if not _reader(name).missing())


@cache
def _reader(name: str) -> FrameReader:
    return load(READERS, name, FrameReader, "reader")()


def _numbers(info: VideoInfo, indices: Iterable[int]) -> list[int]:
    try:
        numbers = [whole(i) for i in indices]
    except TypeError:
        raise DataError(
            f"{info.path}: frame numbers must be whole numbers, got {indices!r}; round them first"
        ) from None
    for number in numbers:
        if not 0 <= number < info.frames:
            raise DataError(f"{info.path}: no frame {number}, it has {info.frames} frames (0 to {info.frames - 1})")
    return numbers


def _fastest(info: VideoInfo, record: AuditRecord | None) -> FrameReader:
    proven = record and "torchcodec" in record.exact and not info.has_b_frames
    return _reader("torchcodec" if proven and not _reader("torchcodec").missing() else "av")


def _insist(info: VideoInfo, name: str, record: AuditRecord | None, timeout: float) -> FrameReader:
    """The reader that was asked for, if it is known to be exact on this file. Raises DataError."""
    chosen = _reader(name)
    if missing := chosen.missing():
        raise DataError(f"{info.path}: reader '{name}' is not available: {missing}; or use reader='auto'")
    if name == "av" or (record and name in record.exact):
        return chosen
    repair = "use reader='auto', or re-encode it (mvkit data ingest)"
    if record:
        raise DataError(f"{info.path}: {name} is not exact on it: {record.readers.get(name, 'not audited')}; {repair}")
    if doubt := chosen.doubt(info):
        raise DataError(
            f"{info.path}: {name} is not known to be exact on {doubt}; {repair}, or audit it (mvkit data audit)"
        )
    if damage := verdict(info, timeout):
        raise DataError(f"{info.path}: {damage}, which {name} would hide; use reader='av' for its good frames")
    return chosen
