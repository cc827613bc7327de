"""What a reader is: a library that decodes, the streams on which it was measured to be exact, and one method.

A reader opens the file where it reads, closes it after each read and keeps nothing between reads, so it may be used
from any loader process. Numbers of frames are already checked, sorted and unique when a reader sees them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
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


def pixel_doubt(info: VideoInfo) -> str:
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
    if info.mirrored:
        return "a mirrored picture"
    return ""


def frames_within(
    timeout: float,
    name: str,
    info: VideoInfo,
    numbers: Sequence[int],
    work: Callable[[VideoInfo, list[int]], np.ndarray],
) -> np.ndarray:
    """What work(info, numbers) gives, if it comes within `timeout` seconds and has the shape that the file promises.

    A foreign decoder can wait for ever on a broken stream; it works on a thread that is then left behind, since
    nothing can stop it from outside. Raises DataError naming the file and the reader, also for what `work` raises.
    """
    answer: list[np.ndarray | Exception] = []

    def run() -> None:
        try:
            answer.append(work(info, list(numbers)))
        except Exception as err:
            answer.append(err)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout)
    if not answer:
        raise DataError(f"{info.path}: {name} gave nothing in {timeout:g} s; use reader='av', or raise timeout")
    if isinstance(answer[0], Exception):
        text = " ".join(str(answer[0]).split())[:160]
        raise DataError(f"{info.path}: {name} cannot read it ({text}); use reader='av' for the frame at fault")
    expected = (len(numbers), info.height, info.width, 3)
    if answer[0].shape != expected:
        raise DataError(f"{info.path}: {name} gave frames {answer[0].shape}, wanted {expected}; use reader='av'")
    return answer[0]


def check_count(info: VideoInfo, counted: int | None) -> None:
    """Raises DataError where the library counts other frames than there are."""
    if counted != info.frames:
        raise DataError(f"it counts {counted} frames, the stream holds {info.frames}")
