"""Re-encode videos so that every reader gives the same frames, and so that reading costs less.

Written: H.264 in mp4, closed groups of 12 pictures, no B-frames, 8-bit 4:2:0, even size, upright, one constant rate, no
sound. The number of frames never changes: a variable rate becomes its mean. 720p brought to a short side of 320 with
short groups reads 6.9 times faster (measured). What a file was made from and how is kept in its comment tag, so an
interrupted run goes on where it stopped. Audit files of unknown origin first: a decoder that crashes on one takes
this process with it, the audit's child process only itself.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from hashlib import sha256
from os import PathLike
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from mvkit.data.probe import VideoInfo, probe
from mvkit.data.readers._file import opened
from mvkit.data.readers._orientation import Orientation
from mvkit.data.readers._survey import Survey
from mvkit.data.sample import VIDEO_SUFFIXES
from mvkit.errors import DataError, OptionError
from mvkit.whole import whole

_GROUPS = "keyint=12:min-keyint=12:scenecut=0:open-gop=0:bframes=0:threads=1"
_X264 = {"crf": "18", "preset": "veryfast", "x264-params": _GROUPS}
_MARK = "mvkit ingest 2 "  # counted up when the same source would be written otherwise


@dataclass(frozen=True)
class IngestRecord:
    """state: "written"; "kept", already there from the same source and recipe; "failed", and nothing was written."""

    source: str
    target: str
    state: str
    frames: int = 0
    reason: str = ""


def ingest(
    paths: Iterable[str | PathLike[str]],
    out: str | PathLike[str],
    *,
    root: str | PathLike[str] | None = None,
    short_side: int = 320,
    jobs: int = 1,
    timeout: float = 3600.0,
    progress: Callable[[int, int, IngestRecord], None] | None = None,
) -> list[IngestRecord]:
    """Re-encode each file to its place in `out` (see `place`); one record per file, in the order given.

    short_side: pixels, 16 or more; never enlarged. jobs: files at a time. timeout: seconds per file. progress: called
    with (files done, files in all, newest record).

    A file with any damaged or missing frame fails with its reason and the others go on; a target appears whole or not
    at all. Raises OptionError for a short side below 16, DataError where two files would be written to one target.
    """
    if short_side < 16:
        raise OptionError(f"short_side must be 16 pixels or more, got {short_side}")
    sources = [Path(path) for path in paths]
    targets = [Path(out).absolute() / place(source, root) for source in sources]
    taken: dict[Path, Path] = {}
    for source, target in zip(sources, targets, strict=True):
        if target.resolve() == source.resolve():
            raise DataError(f"{source}: would be written over itself; choose another folder than {out}")
        if taken.setdefault(target, source).resolve() != source.resolve():
            raise DataError(
                f"{source} and {taken[target]} would both be written to {target}; ingest them to two folders"
            )
    records = []
    pool = ThreadPoolExecutor(max(1, jobs))
    try:
        for record in pool.map(partial(_one, short_side=short_side, timeout=timeout), sources, targets):
            records.append(record)
            if progress:
                progress(len(records), len(sources), record)
    finally:
        pool.shutdown(cancel_futures=True)
    return records


def place(source: Path, root: str | PathLike[str] | None = None) -> Path:
    """Where below the output folder a file goes; it depends on nothing but the file and the root stated.

    root: the folder whose sub-folders are kept. Without one: the name of the file's folder and eight hexadecimal digits
    that tell it from others of that name. A name that does not end in .mp4 gets it added. Raises DataError for a file
    not below root.
    """
    folder = source.parent.resolve()
    if root is None:
        below = Path(f"{folder.name}-{sha256(folder.as_posix().encode()).hexdigest()[:8]}")
    elif folder.is_relative_to(base := Path(root).resolve()):
        below = folder.relative_to(base)
    else:
        raise DataError(f"{source}: not below root {base}; give a root that holds all files")
    # a.mov becomes a.mov.mp4, so a file that already has this name must make room.
    plain = source.suffix == ".mp4" and Path(source.stem).suffix.lower() not in VIDEO_SUFFIXES
    return below / (source.name if plain else f"{source.name}.mp4")


def size(info: VideoInfo, short_side: int) -> tuple[int, int]:
    """Even width and height, the short side at most `short_side`."""
    scale = min(1.0, short_side / min(info.width, info.height))
    return max(2, round(info.width * scale / 2) * 2), max(2, round(info.height * scale / 2) * 2)


def _one(source: Path, target: Path, short_side: int, timeout: float) -> IngestRecord:
    source = source.absolute()
    try:
        info = probe(source)
        mark = _MARK + json.dumps({"source": source.name, "stamp": info.stamp, "short_side": short_side})
        if _mark_of(target) == mark:
            return IngestRecord(str(source), str(target), "kept", info.frames)
        with whole(target) as part:
            _encode(info, part, short_side, mark, timeout)
    except (DataError, OSError) as err:
        return IngestRecord(str(source), str(target), "failed", reason=str(err).removeprefix(f"{source}: "))
    return IngestRecord(str(source), str(target), "written", info.frames)


def _mark_of(target: Path) -> str:
    if not target.exists():
        return ""
    try:
        with opened(target) as file:
            return file.container.metadata.get("comment", "")
    except DataError:
        return ""  # not one of ours, or spoilt since: written anew


def _encode(info: VideoInfo, part: Path, short_side: int, mark: str, timeout: float) -> None:
    rate = Fraction(info.fps or 25).limit_denominator(1001)
    width, height = size(info, short_side)
    with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as out:
        out.metadata["comment"] = mark
        stream = out.add_stream("libx264", rate=rate, options=_X264)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for count, frame in enumerate(_upright(info, width, height, timeout)):
            if count == 0:
                context = stream.codec_context
                context.color_range, context.colorspace = ColorRange.MPEG, frame.colorspace
                context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
            frame.pts, frame.time_base = count, 1 / rate
            frame.pict_type = PictureType.NONE  # else x264 repeats the keyframes of the source
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    if (held := probe(part).frames) != info.frames:
        raise DataError(f"{info.path}: {held} of its {info.frames} frames were written; audit it (mvkit data audit)")


def _upright(info: VideoInfo, width: int, height: int, timeout: float) -> Iterator[VideoFrame]:
    """All frames in order as yuv420p of that size, upright. Raises DataError at the end if not all are good."""
    convert, turn, survey = VideoReformatter(), VideoReformatter(), Survey(info, timeout)
    for _, frame in survey:
        if info.orientation != Orientation() or frame.format.is_rgb:
            rgb = info.orientation.rgb(frame, turn)
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        yield convert.reformat(frame, width, height, format="yuv420p", dst_color_range=ColorRange.MPEG)
    if survey.verdict:
        raise DataError(f"{info.path}: {survey.verdict}; download it again or leave it out")
