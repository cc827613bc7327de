"""Which frames of a video make a clip: the rules of the official codes, number for number.

Every function takes the length of the video in frames and gives whole frame numbers in 0..length-1, T of them, as an
int64 array. Random rules take a NumPy `generator`, or the numbers already drawn; nothing touches the global generator.
`round` is half to even, as NumPy's; truncation is towards zero. Sources: VideoMAE arXiv:2203.12602 (kinetics.py,
ssv2.py), MVD arXiv:2212.04500, AMD arXiv:2311.03149, UMT arXiv:2303.16058 (kinetics_sparse.py, video_utils.py).
"""

from collections.abc import Callable, Sequence

import numpy as np

from mvkit.errors import OptionError, unknown

Generator = np.random.Generator


def dense(
    length: int, frames: int = 16, stride: int = 4, *, generator: Generator | None = None, start: int | None = None
) -> np.ndarray:
    """One clip of `frames` frames, `stride` apart: pre-training of VideoMAE, MVD, AMD (K400) and MaskAgain.

    start: 0..length - frames*stride, drawn uniformly if not given. A video shorter than frames*stride starts at 0 and
    repeats the last frame a step could reach, which need not be the last frame of the file (length 5, stride 4: always
    frame 0): the official rule.
    """
    starts = dense_starts(length, frames, stride)
    begin = _drawn("start", start, generator, starts) if starts > 1 else 0
    # The official cursor is 1-based and moves only while cursor + stride < length: so the last step lands on
    # begin + k*stride <= length - 2.
    reach = max((length - 2 - begin) // stride, 0)
    return begin + stride * np.minimum(np.arange(frames), reach)


def dense_starts(length: int, frames: int = 16, stride: int = 4) -> int:
    """How many starts `dense` can draw from; 1 for a video too short to have a choice."""
    _check(length, frames, stride)
    return max(length - frames * stride + 1, 1)


def dense_finetune(
    length: int, frames: int = 16, stride: int = 4, *, generator: Generator | None = None, end: int | None = None
) -> np.ndarray:
    """Evenly spaced frames over a window of frames*stride: K400 fine-tuning of VideoMAE, MVD and AMD.

    end: frames*stride..length-1, drawn uniformly if not given; the window runs from end - frames*stride to end
    inclusive, so the spacing is stride*frames/(frames-1). Shorter videos: length // stride points over the whole, then
    the last frame.
    """
    _check(length, frames, stride)
    window = frames * stride
    if length > window:
        last = window + _drawn("end", None if end is None else end - window, generator, length - window)
        return np.clip(np.linspace(last - window, last, frames), last - window, last - 1).astype(np.int64)
    points = np.linspace(0, length, length // stride)
    points = np.concatenate([points, np.full(frames - len(points), length)])
    return np.clip(points, 0, length - 1).astype(np.int64)


def window(
    length: int, frames: int = 16, stride: int = 2, *, generator: Generator | None = None, start: int | None = None
) -> np.ndarray:
    """Evenly spaced frames over a random window: SSv2 pre-training of AMD (frame folders).

    start: 0..length - frames*stride. The spacing is stride*frames/(frames-1), truncated. Shorter videos: strided
    frames, then the last one.
    """
    begin = _drawn("start", start, generator, dense_starts(length, frames, stride)) if length > frames * stride else 0
    if length >= frames * stride:
        end = begin + frames * stride
        return np.clip(np.linspace(begin, end, frames), begin, end - 1).astype(np.int64)
    return np.minimum(stride * np.arange(frames), length - 1)


def segments(
    length: int, frames: int = 16, *, generator: Generator | None = None, offsets: Sequence[int] | None = None
) -> np.ndarray:
    """One frame from each of `frames` equal parts: SSv2 training of VideoMAE, AMD; UMT stage 1 and SSv2.

    offsets: (frames,) each 0..length//frames - 1. Up to frames-1 frames at the end are never seen; a video shorter
    than `frames` gives frame 0 every time: the official rule.
    """
    _check(length, frames)
    part = length // frames
    if part == 0:
        return np.zeros(frames, dtype=np.int64)
    return np.arange(frames) * part + _all_drawn("offsets", offsets, generator, np.full(frames, part))


def segments_rounded(
    length: int, frames: int = 16, *, generator: Generator | None = None, offsets: Sequence[int] | None = None
) -> np.ndarray:
    """One frame from each of `frames` parts with rounded, shared borders: SSv2 training of MVD, Kinetics of UMT.

    Frame i is uniform over round(a*i)..round(a*(i+1)), both included, a = (length-1)/frames. offsets: from the lower
    border.
    """
    low, high = rounded_bounds(length, frames)
    return np.minimum(low + _all_drawn("offsets", offsets, generator, high - low + 1), length - 1)


def rounded_bounds(length: int, frames: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest frame of each part in `segments_rounded`, both (frames,) and included."""
    _check(length, frames)
    borders = np.rint((length - 1) / frames * np.arange(frames + 1)).astype(np.int64)
    return borders[:-1], borders[1:]


def intervals(
    length: int, frames: int = 4, *, generator: Generator | None = None, offsets: Sequence[int] | None = None
) -> np.ndarray:
    """One random frame of each of `frames` intervals, never its last: video-text training of UMT (stage 2).

    offsets: from the first frame of each interval. Where an interval holds a single frame, a sorted random choice of
    distinct frames of the whole video instead; short videos repeat their last index.
    """
    low, high = _interval_bounds(length, frames)
    if (high > low).all():
        picked = low + _all_drawn("offsets", offsets, generator, high - low)
    elif generator is None:
        raise OptionError(f"intervals: {length} frames in {frames} intervals draws distinct frames; pass a generator")
    else:
        picked = np.sort(generator.permutation(length)[: len(low)])
    return _padded(picked, frames)


def interval_middles(length: int, frames: int = 4) -> np.ndarray:
    """The middle frame of each interval: video-text evaluation of UMT. Short videos repeat their last index."""
    low, high = _interval_bounds(length, frames)
    return _padded((low + high) // 2, frames)


def middles(length: int, frames: int = 8) -> np.ndarray:
    """The middle of each equal part, truncated: SSv2 validation of UMT."""
    _check(length, frames)
    part = length / frames
    return (part / 2 + part * np.arange(frames)).astype(np.int64)


def _interval_bounds(length: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    _check(length, frames)
    borders = np.linspace(0, length, min(frames, length) + 1).astype(np.int64)
    return borders[:-1], borders[1:] - 1


def _padded(picked: np.ndarray, frames: int) -> np.ndarray:
    return np.concatenate([picked, np.full(frames - len(picked), picked[-1])])


def _check(length: int, frames: int, stride: int = 1) -> None:
    if length < 1 or frames < 1 or stride < 1:
        raise OptionError(f"sampling wants length, frames and stride of at least 1, got {length}, {frames}, {stride}")


def _drawn(name: str, value: int | None, generator: Generator | None, below: int) -> int:
    """`value` if given, else a draw from 0..below-1."""
    return int(_all_drawn(name, None if value is None else [value], generator, np.array([below]))[0])


def _all_drawn(name: str, values: Sequence[int] | None, generator: Generator | None, below: np.ndarray) -> np.ndarray:
    if values is None:
        if generator is None:
            raise OptionError(f"sampling is random here: pass generator=, or the numbers already drawn as {name}=")
        return generator.integers(0, below)
    given = np.asarray(values, dtype=np.int64)
    if given.shape != below.shape or (given < 0).any() or (given >= below).any():
        raise OptionError(f"{name}: wanted {len(below)} numbers below {below.tolist()} (from 0), got {given.tolist()}")
    return given


TRAIN: dict[str, Callable[[int, int, int, Generator], np.ndarray]] = {
    "dense": lambda length, frames, stride, g: dense(length, frames, stride, generator=g),
    "dense_finetune": lambda length, frames, stride, g: dense_finetune(length, frames, stride, generator=g),
    "window": lambda length, frames, stride, g: window(length, frames, stride, generator=g),
    "segments": lambda length, frames, stride, g: segments(length, frames, generator=g),
    "segments_rounded": lambda length, frames, stride, g: segments_rounded(length, frames, generator=g),
    "intervals": lambda length, frames, stride, g: intervals(length, frames, generator=g),
    "first": lambda length, frames, stride, g: dense(length, frames, stride, start=0),
    "middles": lambda length, frames, stride, g: middles(length, frames),
    "interval_middles": lambda length, frames, stride, g: interval_middles(length, frames),
}
"""Rules by name, all called as rule(length, frames, stride, generator); the last three draw nothing: always the same
frames of a file, as cached features need."""


def rule(name: str) -> Callable[[int, int, int, Generator], np.ndarray]:
    """A rule of `TRAIN` by its name. Raises OptionError for an unknown one."""
    if name not in TRAIN:
        raise OptionError(unknown("frame sampling", name, TRAIN))
    return TRAIN[name]
