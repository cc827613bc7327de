"""torchcodec in its exact mode: fastest where nothing can be skipped; it needs FFmpeg's libraries on the machine.

Measured with 0.17: exact on H.264 (open and closed groups), HEVC, VP8, VP9 and AV1 in mp4, mkv and webm; wrong frames
without an error on H.264 refreshed without keyframes and on avi, MPEG-TS and MPEG-2 with B-frames. 1.0 to 1.4 times as
fast as PyAV on streams without B-frames, 0.7 to 0.9 times with.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from mvkit.data.probe import VideoInfo
from mvkit.data.readers.base import FrameReader, check_count, frames_within, pixel_doubt


class TorchcodecReader(FrameReader):
    """Reads with torchcodec, on the CPU and one thread."""

    name = "torchcodec"

    @classmethod
    def missing(cls) -> str:
        return _missing()

    def doubt(self, info: VideoInfo) -> str:
        containers = set(info.container.split(","))
        if info.codec not in ("h264", "hevc", "vp8", "vp9", "av1"):
            return f"{info.codec} video"
        if not containers & {"mp4", "matroska"}:
            return f"{info.container} files"
        if info.codec == "h264" and not info.timeline.all_idr:
            return "keyframes that are no full restart (open groups of pictures)"
        if info.timeline.untimed or info.timeline.uncounted:
            return info.timeline.untimed or info.timeline.uncounted
        if info.timeline.hidden:
            return "an edit list that hides frames"
        return pixel_doubt(info)

    def read(self, info: VideoInfo, numbers: Sequence[int], timeout: float) -> np.ndarray:
        return frames_within(timeout, "torchcodec", info, numbers, _read)


def _read(info: VideoInfo, numbers: list[int]) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(
        str(info.path.absolute()),
        stream_index=info.stream_index,
        dimension_order="NHWC",
        num_ffmpeg_threads=1,
        seek_mode="exact",
    )
    check_count(info, decoder.metadata.num_frames)
    return decoder.get_frames_at(numbers).data.numpy()


@cache
def _missing() -> str:
    try:
        from torchcodec.decoders import VideoDecoder

        VideoDecoder(b"no video")  # FFmpeg is looked for here, not on import
    except (ImportError, OSError, RuntimeError, ValueError) as err:
        if isinstance(err, ImportError) or "libtorchcodec" in str(err):
            why = str(err).split(".")[0].split("\n")[0]
            return f"torchcodec does not load ({why}); install torchcodec, and FFmpeg 4 or later with its libraries"
    return ""
