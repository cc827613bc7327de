"""decord: what the official code of this field reads with; exact on closed groups of H.264 only.

Measured with 0.6.0: wrong frames without an error on open-GOP H.264, H.264 refreshed without keyframes, HEVC, MPEG-4
with B-frames, H.264 in avi, MPEG-TS with B-frames, MPEG-2 and WMV; no decoder for AV1. It raises on pictures that
cannot be decoded, and hands out those the decoder filled in as if they were sound.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from mvkit.data.probe import VideoInfo
from mvkit.data.readers.base import FrameReader, check_count, frames_within, pixel_doubt

# Widths whose buffer it misjudges, and then raises; all even ones from 16 to 700 were tried.
_MISJUDGED = (16, 24, 48, 72)


class DecordReader(FrameReader):
    """Reads with decord, on the CPU and one thread."""

    name = "decord"

    @classmethod
    def missing(cls) -> str:
        return _missing()

    def doubt(self, info: VideoInfo) -> str:
        containers = set(info.container.split(","))
        if info.codec != "h264":
            return f"{info.codec} video"
        if not containers & {"mp4", "matroska"}:
            return f"{info.container} files"
        if info.open_gop or not info.timeline.all_idr:
            return "keyframes that are no full restart (open groups of pictures)"
        if info.timeline.untimed or info.timeline.uncounted:
            return info.timeline.untimed or info.timeline.uncounted
        if info.timeline.hidden:
            return "an edit list that hides frames"
        if info.video_streams > 1:
            return f"{info.video_streams} video streams"
        if info.width in _MISJUDGED:
            return f"pictures {info.width} wide"
        return pixel_doubt(info)

    def read(self, info: VideoInfo, numbers: Sequence[int], timeout: float) -> np.ndarray:
        return frames_within(timeout, "decord", info, numbers, _read)


def _read(info: VideoInfo, numbers: list[int]) -> np.ndarray:
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    video = decord.VideoReader(str(info.path.absolute()), ctx=decord.cpu(0), num_threads=1)
    check_count(info, len(video))
    return video.get_batch(numbers).asnumpy()


@cache
def _missing() -> str:
    try:
        import decord  # noqa: F401
    except (ImportError, OSError, RuntimeError) as err:
        why = " ".join(str(err).split())[:120]
        return f"decord does not load ({why}); it has wheels for x86-64 Linux and Windows only"
    return ""
