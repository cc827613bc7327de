"""What a reader is: a library that decodes, the streams on which it was measured to be exact, and one method.

A reader opens the file where it reads, closes it after each read and keeps nothing between reads, so it may be used
from any loader process. Numbers of frames are already checked, sorted and unique when a reader sees them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from threading import Thread
from typing import ClassVar

import numpy as np

from mvkit.data.probe import VideoInfo
from mvkit.errors import DataError


class FrameReader(ABC):
    """One library that decodes frames by number. The module's name is its key."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def missing(cls) -> str:
        """Why it cannot run on this machine; "" where it can."""

    @abstractmethod
    def doubt(self, info: VideoInfo) -> str:
        """Why its frames cannot be trusted on this stream without an audit; "" where they were measured exact."""

    @abstractmethod
    def read(self, info: VideoInfo, numbers: Sequence[int], timeout: float) -> np.ndarray:
        """uint8 (len(numbers), H, W, 3) RGB, upright. numbers: ascending, unique, within the file.

        Raises DataError naming the file, and the frame where one is damaged or missing, or after timeout seconds.
        """


class ForeignReader(FrameReader):
    """A library that seeks by itself: believed on the streams measured, and its answer is checked and waited for."""

    codecs: ClassVar[tuple[str, ...]]

    @abstractmethod
    def decode(self, info: VideoInfo, numbers: list[int]) -> tuple[int | None, np.ndarray]:
        """How many frames the library counts in the file, and these: uint8 (n, H, W, 3) RGB, upright. May raise."""

    def doubt(self, info: VideoInfo) -> str:
        timeline = info.timeline
        if info.codec not in self.codecs:
            return f"{info.codec} video"
        if not set(info.container.split(",")) & {"mp4", "matroska"}:
            return f"{info.container} files"
        if info.codec == "h264" and not timeline.all_idr:
            return "keyframes that are no full restart (open groups of pictures)"
        if timeline.hidden:
            return "an edit list that hides frames"
        return timeline.untimed or timeline.uncounted or _pixel_doubt(info)

    def read(self, info: VideoInfo, numbers: Sequence[int], timeout: float) -> np.ndarray:
        answer: list[tuple[int | None, np.ndarray] | Exception] = []

        def run() -> None:
            try:
                answer.append(self.decode(info, list(numbers)))
            except Exception as err:
                answer.append(err)

        # A decoder can wait for ever on a broken stream; nothing stops its thread from outside, so it is left behind.
        thread = Thread(target=run, daemon=True)
        thread.start()
        thread.join(timeout)
        said = f"{info.path}: {self.name}"
        if not answer:
            raise DataError(f"{said} gave nothing in {timeout:g} s; use reader='av', or raise timeout")
        if isinstance(answer[0], Exception):
            text = " ".join(str(answer[0]).split())[:160]
            raise DataError(f"{said} cannot read it ({text}); use reader='av' for the frame at fault")
        count, frames = answer[0]
        if count != info.frames:
            raise DataError(f"{said} counts {count} frames, the stream holds {info.frames}; use reader='av'")
        expected = (len(numbers), info.height, info.width, 3)
        if frames.shape != expected:
            raise DataError(f"{said} gave frames {frames.shape}, wanted {expected}; use reader='av'")
        return frames


def _pixel_doubt(info: VideoInfo) -> str:
    """Why another library's RGB would differ from PyAV's by more than nothing; "" where both are the same bytes.

    Measured: equal to the last bit on progressive 8-bit 4:2:0 of even size, whatever its range, matrix and turn; up to
    60 grey levels apart at 10 bits, 50 at odd sizes, 111 interlaced (chroma is interpolated in another way).
    """
    if info.pixel_format not in ("yuv420p", "yuvj420p"):
        return f"{info.pixel_format} pixels"
    if info.width % 2 or info.height % 2:
        return f"odd size {info.width}x{info.height}"
    if info.interlaced:
        return "interlaced pictures"
    return "a mirrored picture" if info.orientation.mirrored else ""
