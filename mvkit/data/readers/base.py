"""What a reader is: a library that decodes, the streams on which it was measured to be exact, and one method.

A reader opens the file where it reads, closes it after each read and keeps nothing between reads, so it may be used
from any loader process. Numbers of frames are already checked, sorted and unique when a reader sees them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
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


def check_frames(name: str, info: VideoInfo, frames: np.ndarray, wanted: int) -> np.ndarray:
    """The frames, if they have the shape that the file promises. Raises DataError."""
    expected = (wanted, info.height, info.width, 3)
    if frames.shape != expected:
        raise DataError(f"{info.path}: {name} gave frames {frames.shape}, wanted {expected}; use reader='av'")
    return frames
