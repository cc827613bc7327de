"""Sizes by name. small to huge are the papers'; tiny is ours, for clips of 64 pixels on a laptop."""

from dataclasses import dataclass
from typing import Any

from mvkit.errors import OptionError, unknown
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class Size:
    """Encoder width, depth and heads, and those of the pixel decoder that VideoMAE pairs with it."""

    width: int
    depth: int
    heads: int
    decoder_width: int
    decoder_depth: int
    decoder_heads: int


SIZES = {
    "tiny": Size(128, 4, 4, 96, 1, 3),
    "small": Size(384, 12, 6, 192, 4, 3),
    "base": Size(768, 12, 12, 384, 4, 6),
    "large": Size(1024, 24, 16, 512, 12, 8),
    "huge": Size(1280, 32, 16, 640, 12, 8),
}


def size(name: str) -> Size:
    """The numbers of a size. Raises OptionError for an unknown name."""
    if name not in SIZES:
        raise OptionError(unknown("size", name, SIZES))
    return SIZES[name]


def video_vit(name: str, *, frames: int, image: int, patch: int, tubelet: int, **options: Any) -> VideoViT:
    """The encoder of a size for square clips of `frames` frames and `image` pixels; options: others of `VideoViT`."""
    shape = size(name)
    grid = TokenGrid.of_clip(frames, image, image, tubelet=tubelet, patch=patch)
    sizes = {"width": shape.width, "depth": shape.depth, "heads": shape.heads}
    return VideoViT(grid, tubelet=tubelet, patch=patch, **sizes, **options)
