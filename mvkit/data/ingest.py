"""Re-encode videos so that every reader gives the same frames, and so that reading costs less.

Written: H.264 in mp4, closed groups of pictures, no B-frames, 8-bit 4:2:0, even size, upright, one constant rate, no
sound. The number of frames never changes: a variable rate becomes its mean. 720p brought to a short side of 320 with
short groups reads 6.9 times faster (measured). What a file was made from and how is kept in its comment tag, so an
interrupted run goes on where it stopped. Audit files of unknown origin first: a decoder that crashes on one takes
this process with it, the audit's child process only itself.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from mvkit.data.probe import VideoInfo, probe
from mvkit.data.readers._decode import Deadline, Decoding, pictures
from mvkit.data.readers._file import opened
from mvkit.errors import DataError, OptionError

_MARK = "mvkit ingest 1 "
_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True)
class Recipe:
    """short_side: pixels, never enlarged. gop: frames between keyframes. crf: x264's quality, lower is better."""

    short_side: int = 320
    gop: int = 12
    crf: int = 18
    preset: str = "veryfast"

    def __post_init__(self) -> None:
        if self.short_side < 16 or self.gop < 1 or not 0 <= self.crf <= 51:
            raise OptionError(f"{self}: wanted short_side of 16 or more, gop of 1 or more, crf from 0 to 51")
        if self.preset not in _PRESETS:
            raise OptionError(f"unknown preset '{self.preset}', known: {', '.join(_PRESETS)}")

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Even width and height, the short side at most `short_side`."""
        scale = min(1.0, self.short_side / min(width, height))
        return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


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
    gop: int = 12,
    crf: int = 18,
    preset: str = "veryfast",
    jobs: int = 1,
    timeout: float = 3600.0,
    progress: Callable[[int, int, IngestRecord], None] | None = None,
) -> list[IngestRecord]:
    """Re-encode each file to `out`, at its place relative to `root`, as .mp4; one record per file, in the order given.

    root: the folder whose structure is kept; by default the deepest one that holds all files. jobs: files at a
    time. timeout: seconds per file. progress: called with (files done, files in all, newest record).

    A file with any damaged or missing frame fails with its reason and the others go on; a target appears whole or not
    at all. Raises OptionError for a setting out of range, DataError where two files would be written to one target.
    """
    recipe = Recipe(short_side, gop, crf, preset)
    sources = [Path(p).absolute() for p in paths]
    targets = _targets(sources, Path(out).absolute(), root)
    records = []
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        try:
            for record in pool.map(_one, sources, targets, [recipe] * len(sources), [timeout] * len(sources)):
                records.append(record)
                if progress:
                    progress(len(records), len(sources), record)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return records


def _targets(sources: list[Path], out: Path, root: str | PathLike[str] | None) -> list[Path]:
    if not sources:
        return []
    base = Path(root).absolute() if root else Path(os.path.commonpath([p.parent for p in sources]))
    taken: dict[Path, Path] = {}
    for source in sources:
        if not source.is_relative_to(base):
            raise DataError(f"{source}: not below root {base}; give a root that holds all files")
        target = (out / source.relative_to(base)).with_suffix(".mp4")
        if target == source:
            raise DataError(f"{source}: would be written over itself; choose another folder than {out}")
        if taken.setdefault(target, source) != source:
            raise DataError(
                f"{source} and {taken[target]} would both be written to {target}; ingest them to two folders"
            )
    return [(out / s.relative_to(base)).with_suffix(".mp4") for s in sources]


def _one(source: Path, target: Path, recipe: Recipe, timeout: float) -> IngestRecord:
    try:
        info = probe(source)
        mark = _MARK + json.dumps({"source": source.name, "stamp": info.stamp, **asdict(recipe)})
        if _mark_of(target) == mark:
            return IngestRecord(str(source), str(target), "kept", info.frames)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            _encode(info, part, recipe, mark, Deadline(source, timeout))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
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


def _encode(info: VideoInfo, part: Path, recipe: Recipe, mark: str, deadline: Deadline) -> None:
    rate = Fraction(info.fps or 25).limit_denominator(1001)
    width, height = recipe.size(info.width, info.height)
    count = 0
    with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as out:
        out.metadata["comment"] = mark
        stream = out.add_stream("libx264", rate=rate, options=_x264(recipe))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in _upright(info, width, height, deadline):
            if count == 0:
                context = stream.codec_context
                context.color_range, context.colorspace = ColorRange.MPEG, frame.colorspace
                context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
            frame.pts, frame.time_base = count, 1 / rate
            frame.pict_type = PictureType.NONE  # else x264 repeats the keyframes of the source
            out.mux(stream.encode(frame))
            count += 1
        out.mux(stream.encode(None))
    if count != info.frames or probe(part).frames != count:
        raise DataError(
            f"{info.path}: {count} frames came out, its packets promise {info.frames}; audit it (mvkit data audit)"
        )


def _x264(recipe: Recipe) -> dict[str, str]:
    groups = f"keyint={recipe.gop}:min-keyint={recipe.gop}:scenecut=0:open-gop=0:bframes=0:threads=1"
    return {"crf": str(recipe.crf), "preset": recipe.preset, "x264-params": groups}


def _upright(info: VideoInfo, width: int, height: int, deadline: Deadline) -> Iterator[VideoFrame]:
    """All frames in order as yuv420p of that size, upright. Raises DataError at the first sign of damage."""
    convert, turn = VideoReformatter(), VideoReformatter()
    with opened(info.path) as file:
        decoding, count = Decoding(file), 0
        for frames in pictures(file, decoding, deadline):
            if decoding.damage:
                raise DataError(
                    f"{info.path}: damaged near frame {count} ({decoding.damage[0]}); download it again or leave it out"
                )
            for frame in frames:
                if info.rotation or info.mirrored or frame.format.is_rgb:
                    rgb = info.orientation.apply(turn.reformat(frame, format="rgb24").to_ndarray())
                    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
                yield convert.reformat(frame, width, height, format="yuv420p", dst_color_range=ColorRange.MPEG)
                count += 1
