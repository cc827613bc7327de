"""What the packets of a file promise: how many frames, when each is shown, and where decoding may start.

Counting packets is the only honest frame count (headers of mkv, webm, TS hold none, those of avi lie after a cut) and
costs a few per cent of reading a clip. decord and torchcodec make the same pass when they open a file.
"""

from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mvkit.data.readers._decode import Decoding
from mvkit.data.readers._file import Opened
from mvkit.data.readers._messages import first_fault
from mvkit.data.readers._nal import is_restart, nal_length_size, slice_headers
from mvkit.errors import DataError

# Timestamps stored per frame, found again after a seek. avi and raw streams have none; MPEG-TS and PS leave some out.
_STORED_TIMES = {"mov", "mp4", "matroska", "webm", "flv", "asf"}


@dataclass(frozen=True)
class Timeline:
    """pts (frames,) ascending and keys (k,) ascending, both int64 in units of the stream's time base.

    untimed: why timestamps cannot tell frames apart, so that frames are counted from the start; "" where they can.
    uncounted: why packets do not count frames, so that only a full decode does; "" where they do.
    """

    pts: np.ndarray = field(repr=False)
    keys: np.ndarray = field(repr=False)
    packets: int
    untimed: str
    uncounted: str
    reordered: bool
    leading: bool  # pictures shown before the keyframe they follow in the file: an open group of pictures
    hidden: int  # pictures that an edit list asks to decode and not to show
    all_idr: bool  # H.264 in mp4 or mkv: every keyframe is an IDR picture, so no group looks back
    promised: int  # frames by the header where it gives a number or a length, else packets
    cut: str  # how the file falls short of that; "" where it does not


def scan(path: Path, file: Opened) -> tuple[Timeline, VideoFrame | None, list[str]]:
    """Read all packets once; decode until the first picture comes out. Raises DataError naming the file.

    Returns the timeline, that picture (None if no packet gives one) and the damage met on the way to it.
    """
    container, stream, heard = file
    rows, first, all_idr, lost = [], None, True, ""
    decoding, length_size = Decoding(file), nal_length_size(stream)
    try:
        for packet in container.demux(stream):
            lost = lost or first_fault(heard, container.format.name)
            if packet.size:
                rows.append((packet.pts, packet.is_keyframe, packet.is_discard, packet.size, packet.is_corrupt))
                if packet.is_keyframe and all_idr:
                    all_idr = length_size > 0 and is_restart(slice_headers(memoryview(packet), length_size))
            if first is None:
                first = next(iter(decoding.feed(packet)), None)
    except av.FFmpegError as err:
        raise DataError(f"{path}: unreadable after {len(rows)} packets ({err.strerror}); download it again") from None
    if not any(not discard for _, _, discard, _, _ in rows):
        raise DataError(f"{path}: a video stream of zero frames; leave it out")
    timeline = _build(rows, all_idr, container, stream)
    # A demuxer that goes on after damage leaves packets out, and no later frame keeps its number. Not so in mp4, whose
    # index says how many there must be.
    if lost and not timeline.cut and not container.format.name.startswith("mov"):
        raise DataError(f"{path}: damaged, so that its frames cannot be counted ({lost}); download it again")
    return timeline, first, decoding.damage


def _build(rows: list, all_idr: bool, container: InputContainer, stream: VideoStream) -> Timeline:
    pts = [p for p, _, discard, _, _ in rows if not discard]
    untimed, uncounted = _doubts(rows, container, stream)
    timed = np.array([p for p in pts if p is not None], dtype=np.int64)
    in_order = np.array([p for p, *_ in rows if p is not None], dtype=np.int64)
    promised, cut = _promise(rows, timed, container, stream)
    keys, leading, newest_key = [], False, None
    for time, is_key, *_ in rows:
        if time is None:
            continue
        if is_key:
            newest_key = time
            keys.append(time)
        leading |= newest_key is not None and time < newest_key
    return Timeline(
        pts=np.sort(timed),
        keys=np.sort(np.array(keys, dtype=np.int64)),
        packets=len(pts),
        untimed=untimed,
        uncounted=uncounted,
        reordered=bool((np.diff(in_order) < 0).any()),
        leading=leading,
        hidden=len(rows) - len(pts),
        all_idr=all_idr,
        promised=promised,
        cut=cut,
    )


def _doubts(rows: list, container: InputContainer, stream: VideoStream) -> tuple[str, str]:
    """Why timestamps cannot find frames, and why packets may not count them."""
    times, codec = [p for p, *_ in rows], stream.codec_context.name
    uncounted, untimed = "", ""
    if None in times:
        untimed = f"{times.count(None)} of its {len(times)} packets have no timestamp"
        uncounted = "" if codec in ("h264", "hevc", "mjpeg") else untimed
    elif len(set(times)) < len(times):
        untimed = uncounted = "two of its packets share a timestamp"
    elif not rows[0][1] or min(times) < times[0]:
        untimed = uncounted = "it starts in the middle of a group of pictures"
    elif not set(container.format.name.split(",")) & _STORED_TIMES:
        untimed = f"{container.format.name} stores no reliable timestamps"
    # An MPEG-4 packet this small is an unchanged picture, or a placeholder (packed B-frames) that shows none.
    if codec == "mpeg4" and min(size for *_, size, _ in rows) < 20:
        uncounted = uncounted or "it may hold placeholders instead of frames"
    return untimed, uncounted


def _promise(rows: list, times: np.ndarray, container: InputContainer, stream: VideoStream) -> tuple[int, str]:
    """Frames that the header promises, and how the file falls short of them."""
    held = len(rows)
    if stream.frames > held:
        return stream.frames, f"{held} of the {stream.frames} frames its header promises"
    if rows[-1][4] or (container.format.name.startswith("mov") and _ends_inside_a_box(Path(container.name))):
        return held, f"{held} frames, the last ones incomplete"
    seconds = _promised_seconds(container, stream)
    if not seconds or len(times) < 2 or not stream.time_base:
        return held, ""
    step = float(np.median(np.diff(np.sort(times))) * stream.time_base)
    shown = float((times.max() - times.min()) * stream.time_base) + step
    # Two frames of slack: writers round the length, and some count the last frame's and some do not.
    if seconds - shown > max(2.5 * step, 0.02 * seconds):
        return round(seconds / step), f"{shown:.2f} s of the {seconds:.2f} s its header promises"
    return held, ""


def _ends_inside_a_box(path: Path) -> bool:
    """Whether an mp4 file stops before its last top-level box does (ISO/IEC 14496-12, 4.2)."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length == 0:
                return False  # to the end of the file, whatever that is
            at += max(length, 8)
    return at > size


def _promised_seconds(container: InputContainer, stream: VideoStream) -> float:
    """Length of the video stream as the header gives it; 0 where it gives none of its own."""
    if not set(container.format.name.split(",")) & {"matroska", "webm", "flv"}:
        return 0.0
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        alone = len(container.streams) == 1 and container.duration
        return container.duration / 1_000_000 if alone and container.duration else 0.0
