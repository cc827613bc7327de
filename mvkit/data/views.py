"""Test views: several clips in time and crops in space of one video, as the papers are scored.

Temporal views give a list of frame-number arrays; spatial views give crop origins in the resized frame. The score of a
video is the mean over views of softmax probabilities.
"""

import numpy as np

from mvkit.data.sampling import _check
from mvkit.errors import OptionError


def strided_views(length: int, frames: int = 16, stride: int = 4, views: int = 5) -> list[np.ndarray]:
    """K400 test of VideoMAE, MVD, AMD (5 views): windows over every `stride`-th frame, first to last.

    Short videos repeat the last frame taken. View c starts at trunc(c * max((n - frames)/(views - 1), 0)) of the n
    frames taken.
    """
    _check(length, frames, stride)
    taken = np.arange(0, length, stride)
    taken = np.concatenate([taken, np.full(max(frames - len(taken), 0), taken[-1])])
    step = max((len(taken) - frames) / (views - 1), 0) if views > 1 else 0
    return [taken[int(c * step) : int(c * step) + frames] for c in range(views)]


def interleaved_views(length: int, frames: int = 16, views: int = 2) -> list[np.ndarray]:
    """SSv2 test of VideoMAE and UMT (2 views): evenly spaced frames, sorted together and dealt out in turn."""
    _check(length, frames)
    part = length / frames
    points = [(k / views * part + part * np.arange(frames)).astype(np.int64) for k in range(views)]
    together = np.sort(np.concatenate(points))
    return [together[c::views] for c in range(views)]


def centre_views(length: int, frames: int = 16, views: int = 2) -> list[np.ndarray]:
    """SSv2 test of MVD (2 views): centres of `views` rounded pieces of each of `frames` parts, one piece a view.

    With one view the official code lists each centre twice and takes every one of the first `frames`; kept.
    """
    _check(length, frames)
    part = (length - 1) / frames
    piece, i, c = part / views, np.arange(frames)[:, None], np.arange(views)[None]
    low, high = np.rint(part * i + piece * c), np.rint(part * i + piece * (c + 1))
    centres = ((low + high) // 2).astype(np.int64).reshape(-1)  # segment-major
    return [centres[v::views] for v in range(views)]


def sparse_views(length: int, frames: int = 8, views: int = 4) -> list[np.ndarray]:
    """Kinetics and MiT test of UMT (4 views); one view is its validation: round(s*i) + floor(s/(views+1) * (c+1))."""
    _check(length, frames)
    part = (length - 1) / frames
    begin = np.rint(part * np.arange(frames)).astype(np.int64)
    return [np.minimum(begin + int(part / (views + 1) * (c + 1)), length - 1) for c in range(views)]


def short_side(height: int, width: int, size: int) -> tuple[int, int]:
    """(height, width) with the short side `size` and the long side truncated, as the official test resizes."""
    if height < 1 or width < 1 or size < 1:
        raise OptionError(f"short_side wants sizes of at least 1, got {height}x{width} and {size}")
    return (size, size * width // height) if height <= width else (size * height // width, size)


def crop_origins(height: int, width: int, size: int, crops: int = 3) -> list[tuple[int, int]]:
    """(top, left) of `crops` square crops spread along the long side of a resized frame, ends included.

    The short side must be `size`. One crop is the middle. Origins are truncated, as the official code.
    """
    if min(height, width) != size:
        raise OptionError(f"crop_origins: the short side of {height}x{width} must be {size}; resize with short_side")
    spare = max(height, width) - size
    steps = [spare / 2] if crops == 1 else [spare / (crops - 1) * k for k in range(crops)]
    return [(int(s), 0) if height > width else (0, int(s)) for s in steps]
