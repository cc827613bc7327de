"""The display matrix of a stream: how phones say which side is up (ISO/IEC 14496-12, `tkhd`)."""

import struct
from typing import NamedTuple

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from mvkit.errors import DataError


class Orientation(NamedTuple):
    """degrees: counter-clockwise turn that a player applies, 0, 90, 180 or 270; mirrored: left and right, before it."""

    degrees: int = 0
    mirrored: bool = False

    def rgb(self, frame: VideoFrame, convert: VideoReformatter) -> np.ndarray:
        """The frame as shown: uint8 (H, W, 3), a view. convert: one kept for all frames is 2.5 times as fast."""
        # One thread: for small frames PyAV starts more than it saves (0.19 ms a frame of 64 pixels became 0.003).
        picture = convert.reformat(frame, format="rgb24", threads=1).to_ndarray()
        picture = picture[:, ::-1] if self.mirrored else picture
        return np.rot90(picture, self.degrees // 90)

    @property
    def sideways(self) -> bool:
        return self.degrees % 180 == 90


# Signs of the matrix (a, b, c, d) that sends a coded (x, y), y down, to the shown one: x' = a x + c y, y' = b x + d y.
_KNOWN: dict[tuple[int, ...], Orientation] = {
    (1, 0, 0, 1): Orientation(0),
    (0, -1, 1, 0): Orientation(90),
    (-1, 0, 0, -1): Orientation(180),
    (0, 1, -1, 0): Orientation(270),
    (-1, 0, 0, 1): Orientation(0, True),
    (0, 1, 1, 0): Orientation(90, True),
    (1, 0, 0, -1): Orientation(180, True),
    (0, -1, -1, 0): Orientation(270, True),
}


def orientation(frame: VideoFrame, path: object) -> Orientation:
    """How a decoded frame must be turned to be upright. Raises DataError for a turn by no multiple of 90 degrees."""
    # Iterating gives the items, not the keys that the mapping's own type announces.
    found = [item for item in frame.side_data if isinstance(item, SideData) and item.type.name == "DISPLAYMATRIX"]
    if not found:
        return Orientation()
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(found[0]))
    largest = max(map(abs, (a, b, c, d))) or 1
    signs = tuple(round(v / largest) for v in (a, b, c, d))
    if signs not in _KNOWN or any(abs(v / largest - s) > 0.01 for v, s in zip((a, b, c, d), signs, strict=True)):
        raise DataError(f"{path}: its display matrix is no turn by 90, 180 or 270 degrees; re-encode it upright")
    return _KNOWN[signs]
