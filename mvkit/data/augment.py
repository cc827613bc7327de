"""What is done to a clip before it enters a batch: the training and test recipes of the official codes.

A recipe is a frozen record, called with one clip (T, 3, H, W) uint8 and a NumPy generator; it gives a clip of
size x size. All frames of a clip share the draw. Everything stays uint8: [0, 1] and colour statistics belong to the
model.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from mvkit.data.crops import Box, centre_box, crop, frame_size, multi_scale_box, random_box, random_resized_box, resize
from mvkit.data.randaugment import RandAugment
from mvkit.data.views import crop_origins, short_side
from mvkit.errors import OptionError, ShapeError, unknown

Recipe = Callable[[Tensor, np.random.Generator], Tensor]

# Statistics behind the noise of random erasing: the official code fills with N(0, 1) after ImageNet normalisation.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Pretrain:
    """Multi-scale corner crop, then antialiased resize; a flip only with UMT (`flip=0.5`). No colour change.

    Source: VideoMAE arXiv:2203.12602, UMT arXiv:2303.16058. Differs: resized on uint8 tensors, equal to PIL within
    one grey level. NOTE: a flip swaps left and right motion; keep 0 where the direction is the label.
    """

    size: int = 224
    flip: float = 0.0

    def __call__(self, clip: Tensor, generator: np.random.Generator) -> Tensor:
        box = multi_scale_box(*frame_size(clip), self.size, generator)
        return flipped(resize(crop(clip, box), self.size, self.size), self.flip, generator)


@dataclass(frozen=True)
class RandomResized:
    """Random resized crop and flip, as UMT's video-text training (area 0.5-1, bicubic)."""

    size: int = 224
    area: tuple[float, float] = (0.5, 1.0)
    flip: float = 0.5
    mode: str = "bicubic"

    def __call__(self, clip: Tensor, generator: np.random.Generator) -> Tensor:
        box = random_resized_box(*frame_size(clip), generator, area=self.area)
        return flipped(resize(crop(clip, box), self.size, self.size, mode=self.mode), self.flip, generator)


@dataclass(frozen=True)
class Finetune:
    """RandAugment, random resized crop, flip, random erasing: the fine-tuning recipe of VideoMAE, MVD, AMD and UMT.

    flip: 0.5; 0 on Something-Something and wherever left and right are labels. erase: its probability.
    mode: `bicubic` for UMT. Resized without antialiasing, as there. Differs: erasing noise is cut to the grey range.
    """

    size: int = 224
    flip: float = 0.5
    erase: float = 0.25
    rand_augment: RandAugment | None = field(default_factory=RandAugment)
    mode: str = "bilinear"

    def __call__(self, clip: Tensor, generator: np.random.Generator) -> Tensor:
        if self.rand_augment is not None:
            clip = self.rand_augment(clip, generator)
        clip = crop(clip, random_resized_box(*frame_size(clip), generator))
        clip = resize(clip, self.size, self.size, mode=self.mode, antialias=False)
        return erased(flipped(clip, self.flip, generator), self.erase, generator)


@dataclass(frozen=True)
class Centre:
    """Short side to `size`, middle square: validation. Draws nothing."""

    size: int = 224

    def __call__(self, clip: Tensor, generator: np.random.Generator | None = None) -> Tensor:
        clip = resize(clip, *short_side(*frame_size(clip), self.size))
        return crop(clip, centre_box(*frame_size(clip), self.size))


@dataclass(frozen=True)
class Whole:
    """The clip as it is; its frames must already be size x size. Draws nothing."""

    size: int = 224

    def __call__(self, clip: Tensor, generator: np.random.Generator | None = None) -> Tensor:
        if tuple(clip.shape[-2:]) != (self.size, self.size):
            got = f"{clip.shape[-2]}x{clip.shape[-1]}"
            raise ShapeError(f"frames of {got} are not {self.size}x{self.size}; use augment='centre' to resize them")
        return clip


RECIPES: dict[str, Callable[[int], Recipe]] = {
    "pretrain": Pretrain,
    "finetune": Finetune,
    "random_resized": RandomResized,
    "centre": Centre,
    "none": Whole,
}


def recipe(name: str, size: int) -> Recipe:
    """A recipe of `RECIPES` with its defaults, for a size in pixels. Raises OptionError for an unknown name."""
    if name not in RECIPES:
        raise OptionError(unknown("augmentation", name, RECIPES))
    return RECIPES[name](size)


def flipped(clip: Tensor, chance: float, generator: np.random.Generator) -> Tensor:
    """The clip, mirrored left to right with probability `chance`; always takes one number from the generator."""
    return clip.flip(-1) if generator.random() < chance else clip


def erased(clip: Tensor, chance: float, generator: np.random.Generator) -> Tensor:
    """One box of noise, the same box in all frames, fresh noise in each, with probability `chance`.

    The box covers 2 to 33 % of the frame, aspect 0.3 to 3.33 log-uniform, 10 tries. Paper: arXiv:1708.04896.
    """
    if generator.random() >= chance:
        return clip
    if box := random_box(*frame_size(clip), generator, area=(0.02, 0.33), aspect=(0.3, 1 / 0.3)):
        noise = generator.standard_normal((len(clip), 3, box.height, box.width), dtype=np.float32)
        noise = noise * np.array(_STD, np.float32)[:, None, None] + np.array(_MEAN, np.float32)[:, None, None]
        clip = clip.clone()
        crop(clip, box).copy_(torch.from_numpy(np.clip(noise * 255 + 0.5, 0, 255).astype(np.uint8)))
    return clip


def spatial_views(clip: Tensor, size: int = 224, crops: int = 3) -> list[Tensor]:
    """Square crops along the long side after resizing the short one (plain bilinear), as the official tests."""
    clip = resize(clip, *short_side(*frame_size(clip), size), antialias=False)
    return [crop(clip, Box(top, left, size, size)) for top, left in crop_origins(*frame_size(clip), size, crops)]
