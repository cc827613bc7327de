"""A file decoded once from the first packet to the last: which frames are good, and which is the first bad one.

The judge of every reader, with no seeking and no skipping to get wrong. A frame is bad if it cannot be read exactly:
it does not come out, rests on damaged data, or has another size than the first one. Where frames have no timestamps to
be known by, one lost picture shifts every later number, so all from the damage on are bad. What reading, audit and
ingest say of a damaged file is `Survey.verdict`.
"""

from collections.abc import Collection, Iterator
from functools import lru_cache

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from mvkit.data.probe import VideoInfo
from mvkit.data.readers._decode import Deadline, Decoding, pictures
from mvkit.data.readers._file import opened


class Survey:
    """Iterate over it for (number, frame), -1 for a picture that no packet promises; then the rest is known.

    good: numbers of the good frames. first_bad: the first other one in the order of showing, None if there is none.
    why: what is wrong with it. Raises DataError if it takes longer than `timeout` seconds.
    """

    def __init__(self, info: VideoInfo, timeout: float = 600.0) -> None:
        self.info, self.timeout = info, timeout
        self.good: set[int] = set()
        self.first_bad: int | None = None
        self.why = ""

    def __iter__(self) -> Iterator[tuple[int, VideoFrame]]:
        info, deadline = self.info, Deadline(self.info.path, self.timeout)
        times = info.timeline.pts
        number_of = {} if info.timeline.untimed else {int(time): number for number, time in enumerate(times)}
        came, sizes, count, before_damage = set(), {}, 0, None
        with opened(info.path) as file:
            decoding = Decoding(file)
            for frames in pictures(file, decoding, deadline):
                if decoding.damage and before_damage is None:
                    before_damage = count
                for frame in frames:
                    number = number_of.get(-1 if frame.pts is None else frame.pts, -1) if number_of else count
                    came.add(number)
                    sizes.setdefault((frame.width, frame.height), set()).add(number)
                    count += 1
                    yield number, frame
        if number_of:
            sound = {n for n in came if n >= 0 and not decoding.doubts(int(times[n]))}
        else:
            sound = set(range(count if before_damage is None else before_damage))
        (first, kept), *others = sizes.items() if sizes else [((0, 0), set())]
        self.good = (sound & kept) & set(range(info.frames))
        self.first_bad = min(set(range(info.frames)) - self.good, default=None)
        if self.first_bad is not None and self.first_bad in sound:
            self.why = f"its size changes from {first[0]}x{first[1]} to {others[0][0][0]}x{others[0][0][1]}"
        elif self.first_bad is not None:
            self.why = decoding.damage[0] if decoding.damage else "missing from the stream"
        elif count != info.frames:
            self.first_bad, self.why = info.frames, f"{count} frames came out, its packets promise {info.frames}"

    @property
    def verdict(self) -> str:
        """Like "61 of 90 frames good, first bad 61 (missing from the stream)"; "" where all are good."""
        if self.first_bad is None:
            return ""
        return f"{len(self.good)} of {self.info.frames} frames good, first bad {self.first_bad} ({self.why})"

    def frames(self, keep: Collection[int]) -> dict[int, np.ndarray]:
        """Decode the file; the frames with these numbers, as far as they come: uint8 (H, W, 3) RGB, upright."""
        turn, convert = self.info.orientation, VideoReformatter()
        return {number: turn.rgb(frame, convert) for number, frame in self if number in keep}


@lru_cache(maxsize=8192)
def verdict(info: VideoInfo, timeout: float) -> str:
    """What a full decode finds wrong; "" where it finds nothing. Once per file and process."""
    survey = Survey(info, timeout)
    survey.frames(())
    return survey.verdict
