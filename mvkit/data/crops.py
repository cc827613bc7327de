"""Where a clip is cut and how it is resized: boxes from a generator, and resizing of uint8 tensors.

A clip here is a (T, 3, H, W) uint8 tensor on the CPU; one box serves all its frames. `from_frames` makes one out of a
reader's (T, H, W, 3) array without copying, and that channels-last memory is also what the fast uint8 kernels want.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mvkit.errors import OptionError, ShapeError

# The thirteen places of the multi-scale crop, in quarter steps (x, y): corners, centre, edge middles, quarter points.
_PLACES = ((0, 0), (4, 0), (0, 4), (4, 4), (2, 2), (0, 2), (4, 2), (2, 4), (2, 0), (1, 1), (3, 1), (1, 3), (3, 3))


class Draws(Protocol):
    """The one method of numpy.random.Generator that `multi_scale_box` needs."""

    def integers(self, high: int, /) -> int: ...


class Box(NamedTuple):
    """A rectangle of whole pixels inside a frame."""

    top: int
    left: int
    height: int
    width: int


def from_frames(frames: np.ndarray) -> Tensor:
    """frames (T, H, W, 3) uint8 -> (T, 3, H, W) view of the same memory. Raises ShapeError for anything else."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ShapeError(f"a clip comes as (T, H, W, 3) uint8 frames, got {frames.shape} {frames.dtype}")
    # Frames that are read-only (memory maps, cached arrays) are copied: torch would warn, and writes would be lost.
    return torch.from_numpy(frames if frames.flags.writeable else frames.copy()).permute(0, 3, 1, 2)


def frame_size(clip: Tensor) -> tuple[int, int]:
    """(height, width) of the frames of a clip."""
    return clip.shape[-2], clip.shape[-1]


def resize(clip: Tensor, height: int, width: int, *, mode: str = "bilinear", antialias: bool = True) -> Tensor:
    """(T, 3, H, W) uint8 -> (T, 3, height, width) uint8; antialiased it equals PIL within one grey level."""
    if clip.dtype != torch.uint8 or clip.ndim != 4:
        raise ShapeError(f"resize wants a (T, 3, H, W) uint8 clip, got {tuple(clip.shape)} {clip.dtype}")
    if (height, width) == tuple(clip.shape[-2:]):
        return clip
    return F.interpolate(clip, (height, width), mode=mode, antialias=antialias, align_corners=False)


def crop(clip: Tensor, box: Box) -> Tensor:
    """The part of a clip inside a box; a view. Raises ShapeError if the box reaches out of the frame."""
    height, width = clip.shape[-2:]
    if box.top < 0 or box.left < 0 or box.top + box.height > height or box.left + box.width > width:
        raise ShapeError(f"{box} reaches out of a {height}x{width} frame")
    return clip[..., box.top : box.top + box.height, box.left : box.left + box.width]


def multi_scale_box(
    height: int, width: int, size: int, generator: Draws, *, scales: Sequence[float] = (1, 0.875, 0.75, 0.66)
) -> Box:
    """The multi-scale corner crop of the official pre-training: side pairs at most one scale apart, 13 places.

    Sides are trunc(short side * scale); one within 2 pixels of `size` becomes `size`. Two draws: the pair, the place.
    Source: VideoMAE arXiv:2203.12602 (transforms.py), after TSN arXiv:1608.00859.
    """
    short = min(height, width)
    sides = [int(short * scale) for scale in scales]
    sides = [size if abs(side - size) < 3 else side for side in sides]
    pairs = [(w, h) for i, h in enumerate(sides) for j, w in enumerate(sides) if abs(i - j) <= 1]
    crop_width, crop_height = pairs[int(generator.integers(len(pairs)))]
    # A side snapped up to `size` can be up to 2 pixels longer than the frame; the frame then is the crop.
    crop_width, crop_height = min(crop_width, width), min(crop_height, height)
    x, y = _PLACES[int(generator.integers(len(_PLACES)))]
    return Box(y * ((height - crop_height) // 4), x * ((width - crop_width) // 4), crop_height, crop_width)


def random_box(
    height: int, width: int, generator: np.random.Generator, area: tuple[float, float], aspect: tuple[float, float]
) -> Box | None:
    """A box of a random share of the frame and log-uniform aspect (width / height); None after 10 that do not fit."""
    for _ in range(10):
        pixels = height * width * generator.uniform(*area)
        ratio = float(np.exp(generator.uniform(np.log(aspect[0]), np.log(aspect[1]))))
        w, h = round((pixels * ratio) ** 0.5), round((pixels / ratio) ** 0.5)
        if 0 < w <= width and 0 < h <= height:
            return Box(int(generator.integers(height - h + 1)), int(generator.integers(width - w + 1)), h, w)
    return None


def random_resized_box(
    height: int,
    width: int,
    generator: np.random.Generator,
    *,
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
) -> Box:
    """`random_box`, or else a central one: the Inception crop, arXiv:1409.4842, with the fall-back of torchvision."""
    if box := random_box(height, width, generator, area, aspect):
        return box
    w, h = width, height
    if width / height < aspect[0]:
        h = round(width / aspect[0])
    elif width / height > aspect[1]:
        w = round(height * aspect[1])
    return Box((height - h) // 2, (width - w) // 2, h, w)


def centre_box(height: int, width: int, size: int) -> Box:
    """The middle size x size square. Raises OptionError for a frame smaller than that."""
    if min(height, width) < size:
        raise OptionError(f"centre_box: a {height}x{width} frame has no {size}x{size} square; resize first")
    return Box((height - size) // 2, (width - size) // 2, size, size)
