"""RandAugment on clips: the fine-tuning recipe `rand-m7-n4-mstd0.5-inc1`, one draw for all frames of a clip.

Pixel operations are timm's, on PIL frames at full resolution. How strong they are and which way they go is drawn here
from a given generator: timm's own level functions draw signs from Python's global one, frame by frame.
Paper: RandAugment, arXiv:1909.13719.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mvkit.errors import OptionError


def _enhance(strength: float, sign: int) -> float:
    return max(0.1, 1.0 + 0.9 * strength * sign)


OPERATIONS: dict[str, Callable[[float, int], float | int] | None] = {
    "AutoContrast": None,
    "Equalize": None,
    "Invert": None,
    "Rotate": lambda strength, sign: 30.0 * strength * sign,  # degrees
    "PosterizeIncreasing": lambda strength, sign: 4 - int(4 * strength),  # bits kept
    "SolarizeIncreasing": lambda strength, sign: 256 - min(256, int(256 * strength)),  # threshold
    "SolarizeAdd": lambda strength, sign: min(128, int(110 * strength)),
    "ColorIncreasing": _enhance,
    "ContrastIncreasing": _enhance,
    "BrightnessIncreasing": _enhance,
    "SharpnessIncreasing": _enhance,
    "ShearX": lambda strength, sign: 0.3 * strength * sign,
    "ShearY": lambda strength, sign: 0.3 * strength * sign,
    "TranslateXRel": lambda strength, sign: 0.45 * strength * sign,  # share of the width
    "TranslateYRel": lambda strength, sign: 0.45 * strength * sign,
}
"""timm's operations -> the argument for a strength of 0..1 and a sign of +1 or -1, None where it takes none. Those
called "increasing" change nothing at strength 0."""


@dataclass(frozen=True)
class RandAugment:
    """`operations` of the 15, drawn with replacement, each applied with probability `chance`.

    magnitude: mean strength, 0..10; spread: its standard deviation, drawn anew for every operation.
    Call: clip (T, 3, H, W) uint8 and a NumPy generator -> the same shape; uncovered places are grey 128.
    """

    magnitude: float = 7.0
    spread: float = 0.5
    operations: int = 4
    chance: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.magnitude <= 10 or self.spread < 0 or self.operations < 0 or not 0 <= self.chance <= 1:
            raise OptionError(f"magnitude 0..10, spread and operations 0 or more, chance 0..1; got {self}")

    def plan(self, generator: np.random.Generator) -> list[tuple[str, tuple[float | int, ...]]]:
        """The (operation, arguments) of one clip, in order."""
        names, chosen = list(OPERATIONS), []
        for place in generator.integers(len(names), size=self.operations):
            keep, sign = generator.random() < self.chance, 1 if generator.random() < 0.5 else -1
            strength = float(np.clip(self.magnitude + self.spread * generator.standard_normal(), 0, 10)) / 10
            if keep:
                argument = OPERATIONS[names[place]]
                chosen.append((names[place], () if argument is None else (argument(strength, sign),)))
        return chosen

    def __call__(self, clip: Tensor, generator: np.random.Generator) -> Tensor:
        from PIL import Image
        from timm.data.auto_augment import NAME_TO_OP

        if not (plan := self.plan(generator)):
            return clip
        options = {"fillcolor": (128, 128, 128), "resample": Image.Resampling.BICUBIC}
        frames = []
        for pixels in clip.permute(0, 2, 3, 1).contiguous().numpy():
            image = Image.fromarray(pixels)
            for name, arguments in plan:
                image = NAME_TO_OP[name](image, *arguments, **options)
            frames.append(np.asarray(image))
        return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
