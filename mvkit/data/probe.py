"""What a video file holds, before a frame of it is asked for: exact frame count, shown size, rate, structure.

Every packet is read and one picture decoded; nothing is taken from a header that the packets do not confirm.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from os import PathLike
from pathlib import Path

import numpy as np
from av.video.stream import VideoStream

from mvkit.data.readers._decode import Deadline, Decoding, pictures
from mvkit.data.readers._file import opened
from mvkit.data.readers._orientation import Orientation, orientation
from mvkit.data.readers._timeline import Timeline, scan
from mvkit.errors import DataError

_PROBE_SECONDS = 300.0  # only a file whose frames must be decoded to be counted comes near this


@dataclass(frozen=True)
class VideoInfo:
    """One video stream of one file, the same stream in every reader.

    width, height: pixels as shown, after the turn that `orientation` tells. frames: pictures a player shows.
    fps: frames per second, the mean where the rate varies; 0 where the file does not say. duration: seconds.
    keyframes: frame numbers where decoding may start. stamp: of the file this was read from (`file_stamp`).
    """

    path: Path
    container: str
    codec: str
    width: int
    height: int
    orientation: Orientation
    frames: int
    fps: float
    duration: float
    pixel_format: str
    has_b_frames: bool
    open_gop: bool
    interlaced: bool
    variable_rate: bool
    keyframes: tuple[int, ...] = field(repr=False)
    stream_index: int
    video_streams: int
    stamp: tuple[int, int] = field(repr=False)
    timeline: Timeline = field(repr=False, compare=False)

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise that a player turns the picture by."""
        return self.orientation.degrees


def probe(path: str | PathLike[str]) -> VideoInfo:
    """What the video file holds; cheap, and remembered until the file changes.

    Raises DataError naming the file where it is missing, empty, a folder, no video, without pictures, or cut short.
    """
    path = Path(path)
    info = describe(path, file_stamp(path))
    if info.timeline.cut:
        raise DataError(f"{path}: cut short, it holds {info.timeline.cut}; download it again or leave it out")
    return info


def file_stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change (ns); zeros where there is no such file."""
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return (stat.st_size, stat.st_mtime_ns)


# A loader's worker meets each file again every epoch; an entry of 300 frames takes about 4 kB.
@lru_cache(maxsize=8192)
def describe(path: Path, stamp: tuple[int, int]) -> VideoInfo:
    """As `probe`, for a file with this stamp; what is left of a cut file as well (timeline.cut says so)."""
    with opened(path) as file:
        timeline, first, damage = scan(path, file)
        if first is None:
            why = damage[0] if damage else "the decoder gave none"
            raise DataError(f"{path}: none of its {timeline.packets} frames can be decoded ({why}); leave it out")
        count = _decoded(path) if timeline.uncounted else timeline.packets
        if count != timeline.packets:
            timeline = replace(timeline, untimed=f"only {count} of its {timeline.packets} packets show a frame")
        stream, turn = file.stream, orientation(first, path)
        fps, duration, varies = _rate(timeline, stream, count)
        return VideoInfo(
            path=path,
            container=file.container.format.name,
            codec=stream.codec_context.codec.canonical_name,
            width=first.height if turn.sideways else first.width,
            height=first.width if turn.sideways else first.height,
            orientation=turn,
            frames=count,
            fps=fps,
            duration=duration,
            pixel_format=first.format.name,
            has_b_frames=timeline.reordered or bool(stream.codec_context.has_b_frames),
            open_gop=timeline.leading,
            interlaced=bool(first.interlaced_frame),
            variable_rate=varies,
            keyframes=tuple(int(i) for i in np.flatnonzero(np.isin(timeline.pts, timeline.keys))),
            stream_index=stream.index,
            video_streams=len(file.container.streams.video),
            stamp=stamp,
            timeline=timeline,
        )


def _decoded(path: Path) -> int:
    """Frames that come out of a full decode."""
    deadline = Deadline(path, _PROBE_SECONDS)
    with opened(path) as file:
        return sum(map(len, pictures(file, Decoding(file), deadline)))


def _rate(timeline: Timeline, stream: VideoStream, count: int) -> tuple[float, float, bool]:
    """Frames per second, seconds, and whether the rate varies."""
    stated = float(stream.average_rate or stream.guessed_rate or 0)
    unit = float(stream.time_base or 0)
    steps = np.diff(timeline.pts)
    if timeline.untimed or not len(steps) or not unit or steps.min() <= 0:
        return stated, count / stated if stated else 0.0, False
    typical = float(np.median(steps))
    # Two units of slack: containers that count milliseconds write 33, 33, 34.
    varies = bool(steps.max() - steps.min() > max(2.0, 0.02 * typical))
    mean = (len(steps)) / (float(timeline.pts[-1] - timeline.pts[0]) * unit)
    fps = stated if not varies and stated and abs(stated / mean - 1) < 0.005 else mean
    seconds = float(timeline.pts[-1] - timeline.pts[0] + typical) * unit
    return fps, count / fps if not varies else seconds, varies
