"""PyAV: exact on every stream, or an error that names the frame.

Goes to the keyframe before each wanted frame and decodes forward; pictures that nothing refers to are left undecoded
unless wanted. Measured against decord in CPU time (16 frames, stride 4, 64 to 720p): 1.1 to 2.0 times as fast, and 0.7
to 1.7 times on the first read of a file, which counts its packets. Frames are told apart by timestamp; where a file has
none worth trusting they are counted from the start. What does not come out soundly that way (damage, a landing place
that is no true keyframe) is left to a full decode, which reads or refuses it.
"""

from collections.abc import Sequence

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from mvkit.data.probe import VideoInfo
from mvkit.data.readers._decode import Deadline, Decoding, pictures
from mvkit.data.readers._file import Opened, opened
from mvkit.data.readers._survey import Survey
from mvkit.data.readers.base import FrameReader
from mvkit.errors import DataError


class PyAVReader(FrameReader):
    """Reads with PyAV (FFmpeg inside its wheel)."""

    name = "av"

    @classmethod
    def missing(cls) -> str:
        return ""

    def doubt(self, info: VideoInfo) -> str:
        return ""

    def read(self, info: VideoInfo, numbers: Sequence[int], timeout: float) -> np.ndarray:
        deadline, sink = Deadline(info.path, timeout), _Sink(info, numbers)
        come = _count if info.timeline.untimed else _seek
        return sink.frames if come(sink, deadline) else _judged(info, numbers, deadline)


class _Sink:
    """Takes the wanted frames, in any order; `held` says which are here, as RGB in `frames`."""

    def __init__(self, info: VideoInfo, numbers: Sequence[int]) -> None:
        self.info, self.held = info, set[int]()
        self.place = {number: place for place, number in enumerate(numbers)}
        self.frames = np.empty((len(numbers), info.height, info.width, 3), np.uint8)
        self._convert = VideoReformatter()

    @property
    def full(self) -> bool:
        return len(self.held) == len(self.place)

    def put(self, number: int, frame: VideoFrame) -> None:
        rgb = self.info.orientation.rgb(frame, self._convert)
        if rgb.shape == self.frames.shape[1:]:  # one of another size counts as not come
            self.frames[self.place[number]] = rgb
            self.held.add(number)


def _judged(info: VideoInfo, numbers: Sequence[int], deadline: Deadline) -> np.ndarray:
    """The frames by a full decode. Raises DataError naming the first wanted one that is not good."""
    survey = Survey(info, deadline.left)
    frames = survey.frames(set(numbers))
    for number in numbers:
        if number not in survey.good:
            said = f"frame {number} is damaged; {survey.verdict}"
            raise DataError(f"{info.path}: {said}; download it again or leave it out")
    return np.stack([frames[number] for number in numbers])


def _count(sink: _Sink, deadline: Deadline) -> bool:
    """Fill the sink with frames in the order they come out; False where damage or the end comes first."""
    count = 0
    with opened(sink.info.path) as file:
        decoding = Decoding(file)
        for frames in pictures(file, decoding, deadline):
            if decoding.damage:
                return False
            for frame in frames:
                if count in sink.place:
                    sink.put(count, frame)
                count += 1
            if sink.full:
                return True
    return False


def _seek(sink: _Sink, deadline: Deadline) -> bool:
    """Fill the sink group by group; False where a group cannot be entered at its keyframe or is damaged."""
    times, keys = sink.info.timeline.pts, sink.info.timeline.keys
    wanted = {int(times[n]): n for n in sink.place}
    group = {time: int(np.searchsorted(keys, time, side="right")) - 1 for time in wanted}
    runs: list[list[int]] = []
    for time in sorted(wanted):
        # The next group follows in the file: going on costs less than a jump and a restart.
        if runs and group[time] - group[runs[-1][-1]] <= 1:
            runs[-1].append(time)
        else:
            runs.append([time])
    with opened(sink.info.path) as file:
        try:
            for run in runs:
                key = int(keys[group[run[0]]])
                if key != times[0] or run is not runs[0]:
                    file.container.seek(key, stream=file.stream)
                if not _read_run(file, key, {time: wanted[time] for time in run}, sink, deadline):
                    return False
        except av.FFmpegError:
            return False
    return sink.full


def _read_run(file: Opened, key: int, wanted: dict[int, int], sink: _Sink, deadline: Deadline) -> bool:
    """Decode from the keyframe until all wanted times are held and everything they rest on has come out.

    False where that is no true keyframe, or what is wanted rests on damage.
    """
    decoding = Decoding(file, wanted.keys(), since=key)
    entered, restarted, last, horizon, newest = False, False, max(wanted), None, key
    for packet in file.container.demux(file.stream):
        deadline.check()
        if not entered and packet.size:
            if packet.pts != key:
                if packet.is_keyframe and packet.pts is not None and packet.pts > key:
                    return False
                continue
            entered = True
        newest = max(newest, packet.pts) if packet.pts is not None else newest
        if packet.pts == last:
            horizon = newest  # pictures decoded by now, of which the last wanted one may be made
        for frame in decoding.feed(packet):
            if not restarted and frame.pts is not None and frame.pts >= key:
                # A picture refreshed part by part comes out later than its keyframe, or made from others.
                if frame.pts != key or frame.pict_type in (PictureType.P, PictureType.B):
                    return False
                restarted = True
            if frame.pts in wanted and wanted[frame.pts] not in sink.held:
                sink.put(wanted[frame.pts], frame)
            if horizon is not None and frame.pts is not None and frame.pts >= horizon:
                return not any(map(decoding.doubts, wanted))
    return not any(map(decoding.doubts, wanted))
