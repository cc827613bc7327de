"""Packets in, pictures out, and a record of which pictures rest on damaged data.

A decoder hides a loss: it copies what it has and goes on, and every picture built on that one is wrong until the next
keyframe, most without any flag. So damage to one picture puts in doubt all that were decoded after it in its group,
or that one alone where nothing refers to it.
Noise that happens to decode without an error is beyond any decoder; check sums of the files are the answer to that.
"""

import time
from collections.abc import Collection, Iterator
from pathlib import Path

import av
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from mvkit.data.readers._file import Opened
from mvkit.data.readers._messages import first_fault
from mvkit.data.readers._nal import is_unreferenced, nal_length_size, slice_headers
from mvkit.errors import DataError


class Deadline:
    """A limit in seconds on one read of one file. Raises DataError when it has passed."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds, self._end = path, seconds, time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        if time.monotonic() > self._end:
            raise DataError(
                f"{self.path}: reading took over {self.seconds:g} s; re-encode it (mvkit data ingest), or raise timeout"
            )


class Decoding:
    """Decodes the packets of one stream in file order.

    wanted: timestamps whose pictures are needed; of H.264, others that nothing refers to stay undecoded. None: all.
    since: timestamp of the keyframe it starts from; what is shown before belongs to a group not read, and is ignored.
    """

    def __init__(self, file: Opened, wanted: Collection[int] | None = None, since: int | None = None) -> None:
        self._heard = file.heard
        self.wanted = wanted
        # Pictures are left out here and not by the decoder's own skip_frame="NONREF": with that set, it loses an
        # undecodable reference picture without an error (measured: 8 frames built on one went out as sound).
        # H.264 in mp4 and mkv only: in HEVC "not a reference" holds for one temporal layer.
        self._length_size = nal_length_size(file.stream)
        self._unreferenced: set[int | None] = set()
        self.since = since
        self.damage: list[str] = []
        self._groups: list[list[int | None]] = [[]]
        self._key: int | None = None
        self._hurt = self._hurt_before = False
        self._heals = True  # whether a keyframe ends what damage did
        self._doubtful: set[int | None] = set()

    def feed(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        """The pictures that this packet brings out, in the order of showing. An empty packet brings out the rest."""
        if packet.size:
            if self._length_size and is_unreferenced(slice_headers(memoryview(packet), self._length_size)):
                if self.wanted is not None and packet.pts not in self.wanted:
                    return []
                self._unreferenced.add(packet.pts)
            self._note(packet)
        self._heard.clear()
        frames: list[VideoFrame] = []
        try:
            frames = packet.decode()
        except av.FFmpegError as err:
            self._hurt_by(packet.pts, first_fault(self._heard) or err.strerror or "undecodable")
        else:
            if fault := first_fault(self._heard):
                self._hurt_by(packet.pts, fault)
        for frame in frames:
            if frame.is_corrupt:
                self._hurt_by(frame.pts, "damaged, filled in by the decoder")
            if frame.pict_type in (PictureType.P, PictureType.B):
                self._made_from_others(frame.pts)
        return frames

    def doubts(self, pts: int | None) -> bool:
        """Whether the picture of this timestamp rests on damaged data."""
        return pts in self._doubtful

    def _note(self, packet: "Packet[VideoStream]") -> None:
        if packet.is_keyframe:
            self._hurt_before, self._hurt = self._hurt, self._hurt and not self._heals
            self._key = packet.pts
            self._groups = [*self._groups[-1:], []]
        self._groups[-1].append(packet.pts)
        if self._hurt or (self._hurt_before and self._looks_back(packet.pts)):
            self._doubtful.add(packet.pts)
        if packet.is_corrupt:
            self._hurt_by(packet.pts, "incomplete in the file")

    def _made_from_others(self, pts: int | None) -> None:
        """H.264 can refresh a picture part by part: its keyframes by the flag are no restart, and nothing heals."""
        for place, group in enumerate(self._groups):
            if group and group[0] == pts and pts is not None:
                self._heals = False
                if self.damage:
                    self._hurt = True
                    self._doubtful.update(*self._groups[place:])

    def _looks_back(self, pts: int | None) -> bool:
        """Whether a picture of the newest group is shown before its keyframe, and so rests on the group before."""
        return pts is not None and self._key is not None and pts < self._key

    def _hurt_by(self, pts: int | None, reason: str) -> None:
        if self.since is not None and pts is not None and pts < self.since:
            return
        self.damage.append(reason)
        if pts in self._unreferenced:
            self._doubtful.add(pts)
            return
        for group in reversed(self._groups):
            if pts not in group:
                continue
            after = group[group.index(pts) :]
            if group is not self._groups[-1]:
                self._hurt_before = True
                self._doubtful.update(after, filter(self._looks_back, self._groups[-1]))
            elif self._looks_back(pts):
                # What is shown after a keyframe is never made from what is shown before it.
                self._doubtful.update(filter(self._looks_back, after))
                self._hurt_before = True
            else:
                self._doubtful.update(after)
                self._hurt = True
            return
        self._doubtful.add(pts)
        self._hurt = True


def pictures(file: Opened, decoding: Decoding, deadline: Deadline) -> Iterator[list[VideoFrame]]:
    """Decode from where the container stands to its end, packet by packet. Raises DataError past the deadline."""
    try:
        for packet in file.container.demux(file.stream):
            deadline.check()
            yield decoding.feed(packet)
    except av.FFmpegError as err:
        decoding.damage.append(err.strerror or "unreadable")
