"""A file decoded once from the first packet to the last: which frames are sound, and what some of them look like.

This is the judge of every reader: no seeking, no skipping, nothing to get wrong.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from av.video.reformatter import VideoReformatter

from mvkit.data.probe import VideoInfo
from mvkit.data.readers._decode import Deadline, Decoding, pictures
from mvkit.data.readers._file import opened


@dataclass(frozen=True)
class Survey:
    """sound: how many frames decode and rest on undamaged data; first_bad: the first that does not; why: in words."""

    sound: int
    first_bad: int | None
    why: str
    samples: dict[int, np.ndarray] = field(repr=False)


def survey(info: VideoInfo, keep: Collection[int] = (), timeout: float = 600.0) -> Survey:
    """Decode the whole file in order. keep: numbers of frames to return as RGB, uint8 (H, W, 3), upright.

    Raises DataError if it takes longer than `timeout` seconds.
    """
    keep, deadline, convert = set(keep), Deadline(info.path, timeout), VideoReformatter()
    times = info.timeline.pts
    number_of = {} if info.timeline.untimed else {int(t): n for n, t in enumerate(times)}
    came, samples, sizes, order, before_damage = set(), {}, set(), 0, None
    with opened(info.path) as file:
        decoding = Decoding(file)
        for frames in pictures(file, decoding, deadline):
            if decoding.damage and before_damage is None:
                before_damage = order
            for frame in frames:
                number = number_of.get(-1 if frame.pts is None else frame.pts, -1) if number_of else order
                came.add(number)
                sizes.add((frame.width, frame.height))
                order += 1
                if number in keep:
                    rgb = convert.reformat(frame, format="rgb24").to_ndarray()
                    samples[number] = np.ascontiguousarray(info.orientation.apply(rgb))
    if number_of:
        good = {n for n in came if n >= 0 and not decoding.doubts(int(times[n]))}
    else:
        # Where frames are counted, one lost picture shifts every later number.
        good = set(range(order if before_damage is None else before_damage))
    bad = sorted(set(range(info.frames)) - good)
    if bad:
        return Survey(len(good), bad[0], decoding.damage[0] if decoding.damage else "missing from the stream", samples)
    if order != info.frames:
        return Survey(len(good), info.frames, f"{order} frames came out, its packets promise {info.frames}", samples)
    if len(sizes) > 1:
        return Survey(len(good), 0, f"its pictures change size: {sorted(sizes)}", samples)
    return Survey(len(good), None, "", samples)
