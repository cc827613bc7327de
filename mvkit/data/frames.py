"""Frames by number: exactly those asked for, or one error that names the file and the frame.

`reader="auto"` takes the fastest reader that is exact on the file. PyAV is that nearly always: exact everywhere, and
1.1 to 2.0 times as fast as decord on every clip measured (0.7 to 1.7 on the first read of a file, which counts its
packets). torchcodec is faster where a stream has no B-frames to skip, and is taken there once an audit found it exact
on the file. decord and torchcodec do not report damage that the decoder filled in, so without an audit a file is
decoded once in full before either is believed.
"""

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from operator import index as whole
from os import PathLike
from pathlib import Path

import numpy as np

from mvkit.data.audit import AuditRecord
from mvkit.data.probe import VideoInfo, probe
from mvkit.data.readers._survey import survey
from mvkit.data.readers.base import FrameReader
from mvkit.errors import DataError, OptionError, unknown
from mvkit.plugins import available, load

READERS = "mvkit.data.readers"
# CPU time of 16 frames at stride 4, 64x64 to 720p; decord never came first.
_FASTEST_FIRST = {True: ("av", "torchcodec", "decord"), False: ("torchcodec", "av", "decord")}  # key: B-frames


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
    chosen = _choose(info, record) if reader == "auto" else _insist(info, reader, record, timeout)
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


def _choose(info: VideoInfo, record: AuditRecord | None) -> FrameReader:
    exact = record.exact if record else ()
    for name in _FASTEST_FIRST[info.has_b_frames]:
        if name == "av" or (name in exact and not _reader(name).missing()):
            return _reader(name)
    raise AssertionError("PyAV reads every stream")


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
    if damage := _damage(info, timeout):
        raise DataError(
            f"{info.path}: {damage}, which {name} would hide; use reader='av' for its sound frames, or leave it out"
        )
    return chosen


@lru_cache(maxsize=8192)
def _damage(info: VideoInfo, timeout: float) -> str:
    """What a full decode finds wrong; "" where it finds nothing. Once per file and process."""
    found = survey(info, timeout=timeout)
    return "" if found.first_bad is None else f"frame {found.first_bad} is damaged or missing ({found.why})"
