"""Small real clips in which every frame carries its own number, readable after lossy coding.

Twelve blocks, four across and three down, are light or dark: eight bits of the number and four check bits, so that a
blend of two frames, a frame turned on its side or a concealed loss reads as -1 and not as some number. The two inks
differ in hue, so swapped colour channels show as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

COLUMNS, ROWS = 4, 3
LIGHT, DARK = np.array([240, 200, 120]), np.array([20, 40, 90])


def _code(number: int) -> int:
    return number << 4 | (number * 5 ^ number >> 4 ^ 0b1001) & 15


def draw(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """The picture of a number, 0 to 255: uint8 (height, width, 3)."""
    bits = [_code(number) >> b & 1 for b in range(COLUMNS * ROWS)]
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    lit = np.array(bits).reshape(ROWS, COLUMNS)[rows][:, columns]
    picture = np.where(lit[..., None] == 1, LIGHT, DARK)
    # Grain of its own in every frame: flat blocks would code into 40 bytes, too few to damage.
    grain = np.random.default_rng(number).integers(-12, 13, (height, width, 1))
    return (picture + grain).astype(np.uint8)


def read(frames: np.ndarray) -> list[int]:
    """The number each frame shows, or -1 where the blocks carry none. frames: uint8 (T, H, W, 3)."""
    numbers = []
    for frame in np.asarray(frames):
        height, width = frame.shape[:2]
        y = (2 * np.arange(ROWS) + 1) * height // (2 * ROWS)
        x = (2 * np.arange(COLUMNS) + 1) * width // (2 * COLUMNS)
        # Green separates the inks by 160 levels; what lies near the middle is a blend, which is nobody's number.
        value = np.array([[np.median(frame[j - 2 : j + 3, i - 2 : i + 3, 1]) for i in x] for j in y]).ravel()
        code = sum(int(v > 120) << b for b, v in enumerate(value))
        clear = bool((abs(value - 120) > 30).all())
        numbers.append(code >> 4 if clear and _code(code >> 4) == code else -1)
    return numbers


@dataclass(frozen=True)
class Clip:
    """How one clip is coded. `numbers` lists what its presented frames show, in order."""

    suffix: str = ".mp4"
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    frames: int = 40
    width: int = 64
    height: int = 48
    bframes: int = 0
    container: str | None = None
    muxing: dict[str, str] = field(default_factory=dict)
    audio: bool = False
    decoy: bool = False  # a second, smaller video stream
    time: Callable[[int], int] | None = None  # frame number -> time in 1/600 s; by default 25 frames per second
    turned: int = 0  # quarter turns, counter-clockwise, that the display matrix undoes
    mirrored: bool = False  # left and right swapped, which the display matrix undoes
    hidden: int = 0  # first frames that an edit list leaves out

    @property
    def numbers(self) -> list[int]:
        return list(range(self.hidden, self.frames))


def _x264(extra: str = "", bframes: int = 0, **other: Any) -> Clip:
    groups = f"keyint=12:min-keyint=6:scenecut=0:b-adapt=0:bframes={bframes}"
    return Clip(bframes=bframes, options={"x264-params": f"{groups}{extra and ':' + extra}", "preset": "fast"}, **other)


def _x265(extra: str = "", bframes: int = 0) -> Clip:
    groups = f"log-level=none:keyint=12:scenecut=0:bframes={bframes}:pools=1"
    return Clip(codec="libx265", bframes=bframes, options={"x265-params": f"{groups}{extra and ':' + extra}"})


_VP9 = {"deadline": "realtime", "cpu-used": "8", "g": "12"}
_ALT_REF = {"deadline": "good", "cpu-used": "5", "g": "12", "auto-alt-ref": "1", "lag-in-frames": "16"}
_UNEVEN = {"time": lambda n: n * 24 + n % 3 * 5 + n // 7 * 40}

CLIPS = {
    "h264 closed": _x264(),
    "h264 closed, B-frames": _x264(bframes=3),
    "h264 open groups": _x264("open-gop=1", bframes=3),
    "h264 refreshed without keyframes": _x264("intra-refresh=1"),
    "h264 one keyframe": _x264("keyint=250"),
    "h264 keyframes only": _x264("keyint=1:min-keyint=1"),
    "h264 interlaced": _x264("interlaced=1:tff=1", height=64),
    "h264 10-bit": _x264(pix_fmt="yuv420p10le"),
    "h264 grey": _x264(pix_fmt="gray"),
    "h264 4:4:4 odd size": _x264(pix_fmt="yuv444p", width=65, height=49),
    "h264 full range": _x264(pix_fmt="yuvj420p"),
    "h264 bt709": _x264("colorprim=bt709:transfer=bt709:colormatrix=bt709"),
    "h264 variable rate": _x264(bframes=3, **_UNEVEN),
    "h264 late start": _x264(time=lambda n: 3000 + 24 * n),
    "h264 turned 90": _x264(turned=1),
    "h264 turned 180": _x264(turned=2),
    "h264 turned 270": _x264(turned=3),
    "h264 mirrored": _x264(mirrored=True),
    "h264 edit list": _x264(hidden=5),
    "h264 with sound": _x264(audio=True),
    "h264 two streams": _x264(decoy=True),
    "h264 fragments": _x264(muxing={"movflags": "frag_keyframe+empty_moov"}),
    "h264 one frame": _x264(frames=1),
    "h264 mkv": _x264(suffix=".mkv"),
    "h264 mkv, B-frames": _x264(suffix=".mkv", bframes=3),
    "h264 mkv, variable rate": _x264(suffix=".mkv", **_UNEVEN),
    "h264 avi": _x264(suffix=".avi"),
    "h264 avi, B-frames": _x264(suffix=".avi", bframes=3),
    "h264 ts": _x264(suffix=".ts"),
    "h264 ts, B-frames": _x264(suffix=".ts", bframes=3),
    "h264 flv": _x264(suffix=".flv"),
    "h264 bare stream": _x264(suffix=".h264", container="h264"),
    "hevc closed": _x265("open-gop=0"),
    "hevc open groups, B-frames": _x265(bframes=3),
    "mpeg4 mp4, B-frames": Clip(codec="mpeg4", bframes=2),
    "mpeg4 mp4 odd size": Clip(codec="mpeg4", width=65, height=49),
    "mpeg4 avi": Clip(suffix=".avi", codec="mpeg4"),
    "mpeg4 avi, B-frames": Clip(suffix=".avi", codec="mpeg4", bframes=2),
    "mpeg2 mpg, B-frames": Clip(suffix=".mpg", codec="mpeg2video", bframes=2),
    "mjpeg avi": Clip(suffix=".avi", codec="mjpeg", pix_fmt="yuvj420p"),
    "wmv": Clip(suffix=".wmv", codec="wmv2"),
    "vp8 webm, hidden references": Clip(suffix=".webm", codec="libvpx", options=_ALT_REF),
    "vp9 webm": Clip(suffix=".webm", codec="libvpx-vp9", options=_VP9),
    "vp9 webm, hidden references": Clip(suffix=".webm", codec="libvpx-vp9", options=_ALT_REF),
    "vp9 webm odd size": Clip(suffix=".webm", codec="libvpx-vp9", options=_VP9, width=65, height=49),
    "av1 mp4": Clip(codec="libsvtav1", options={"preset": "10", "g": "12"}, height=64),
}


def write(path: Path, clip: Clip) -> Path:
    """Encode the clip to `path` and give the path back."""
    unit = Fraction(1, 600) if clip.time else Fraction(1, 25)
    with av.open(str(path), "w", format=clip.container, options=clip.muxing) as out:
        stream = out.add_stream(clip.codec, rate=25, options=clip.options)
        stream.height, stream.width = _coded(clip, 0).shape[:2]
        stream.pix_fmt = clip.pix_fmt
        context = stream.codec_context
        context.gop_size, context.max_b_frames, context.thread_count, context.time_base = 12, clip.bframes, 1, unit
        sound = out.add_stream("aac", rate=8000) if clip.audio else None
        decoy = out.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p") if clip.decoy else None
        for number in range(clip.frames):
            frame = av.VideoFrame.from_ndarray(_coded(clip, number), format="rgb24")
            frame.pts, frame.time_base = clip.time(number) if clip.time else number, unit
            out.mux(stream.encode(frame))
            if decoy:
                blank = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                blank.pts, blank.time_base = number, Fraction(1, 25)
                out.mux(decoy.encode(blank))
        for each in (stream, decoy):
            if each:
                out.mux(each.encode(None))
        if sound:
            _add_silence(out, sound)
    if clip.turned or clip.mirrored:
        _set_matrix(path, clip)
    if clip.hidden:
        _set_edit_list(path, clip)
    return path


def _coded(clip: Clip, number: int) -> np.ndarray:
    picture = np.rot90(draw(number, clip.width, clip.height), clip.turned)
    return np.ascontiguousarray(picture[:, ::-1] if clip.mirrored else picture)


def _add_silence(out, sound) -> None:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 8000, 0
    out.mux(sound.encode(frame))
    out.mux(sound.encode(None))


def write_sound(path: Path) -> Path:
    """A file with sound and no pictures."""
    with av.open(str(path), "w") as out:
        _add_silence(out, out.add_stream("aac", rate=8000))
    return path


def _set_matrix(path: Path, clip: Clip) -> None:
    """Set the display matrix of an mp4 track, in place: the bytes that phones write."""
    a, b, c, d = {0: (1, 0, 0, 1), 1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}[clip.turned]
    if clip.mirrored:
        a, b = -a, -b
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: 40 bytes of flags, times, ids and layers before the matrix
    entries = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    data[at : at + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in entries)
    path.write_bytes(bytes(data))


def _set_edit_list(path: Path, clip: Clip) -> None:
    """Make an mp4 track begin with its frame number `clip.hidden`, in place: what trimming without re-encoding does."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12  # version 0: flags and count, then length in milliseconds and first time
    data[at : at + 4] = (40 * len(clip.numbers)).to_bytes(4, "big")
    data[at + 4 : at + 8] = (512 * clip.hidden).to_bytes(4, "big")
    path.write_bytes(bytes(data))


def damage(path: Path, out: Path, pictures: Sequence[int]) -> Path:
    """A copy whose coded pictures at these places in the file (decoding order) are overwritten with noise."""
    with av.open(str(path)) as container:
        spans = [(p.pos, p.size) for p in container.demux(container.streams.video[0]) if p.size and p.pos is not None]
    data, noise = bytearray(path.read_bytes()), np.random.default_rng(0)
    for number in pictures:
        start, size = spans[number]
        data[start : start + size] = noise.bytes(size)
    out.write_bytes(bytes(data))
    return out
