"""What the fine-tuning of an action detector is, and the recipes by name."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from mvkit.data.boxed import KeyframeClips
from mvkit.data.keyframes import Keyframes
from mvkit.errors import OptionError, unknown
from mvkit.train.record import Record
from mvkit.train.seed import derive

# Of the 0..255 scale, as the detector's code has them; not those of pre-training.
AVA_COLOURS = {"mean": [122.77 / 255, 115.95 / 255, 102.98 / 255], "std": [57.375 / 255] * 3}


class DetectionSpec(Record):
    """One fine-tuning of an action detector; the defaults are UMT-B's on AVA v2.2 (arXiv:2303.16058).

    frames, stride: of a clip, around its keyframe. short, crop, flip, colour: see `KeyframeClips`. lr, min_lr: per 256
    clips. statistics: colours as the encoder was trained with, or those of the released detector. least_score: people
    found with less are left out. Warm-up and min_lr are those of UMT's other fine-tunings: AVA's are not published.
    """

    frames: int = Field(8, ge=1)
    stride: int = Field(8, ge=1)
    short: int = Field(256, ge=4)
    crop: int = Field(224, ge=0)
    flip: float = Field(0.5, ge=0, le=1)
    colour: bool = True
    statistics: Literal["encoder", "ava"] = "ava"
    epochs: int = Field(30, ge=1)
    warmup_epochs: int = Field(5, ge=0)
    batch: int = Field(128, ge=1)
    accumulate: int = Field(1, ge=1)
    lr: float = Field(2.5e-4, gt=0)
    min_lr: float = Field(1e-6, ge=0)
    weight_decay: float = Field(0.05, ge=0)
    layer_decay: float = Field(0.75, gt=0, le=1)
    drop_path: float = Field(0.2, ge=0, lt=1)
    least_score: float = Field(0.8, ge=0, le=1)
    resamples: int = Field(200, ge=0)
    seed: int = Field(0, ge=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    workers: int = Field(0, ge=0)
    cache: bool = False

    def clips(self, keyframes: Keyframes, patch: int, *, train: bool) -> KeyframeClips:
        """The clips of keyframes, for an encoder of this patch."""
        shape = {"frames": self.frames, "stride": self.stride, "short": self.short, "crop": self.crop, "patch": patch}
        seed = derive(self.seed, "detection clips") >> 32
        change = {"flip": self.flip, "colour": self.colour, "seed": seed}
        return KeyframeClips(keyframes, **shape, **change, train=train, cache=train and self.cache)


RECIPES: dict[str, dict[str, Any]] = {
    "umt_base_ava": {},
    "umt_large_ava": {"epochs": 25, "layer_decay": 0.85, "drop_path": 0.4, "precision": "fp32"},
    # Whole clips; a flip would make another motion of it, and colours are not what is asked for.
    "moving_shapes": {
        "stride": 3, "short": 64, "crop": 0, "flip": 0.0, "colour": False, "statistics": "encoder", "epochs": 10,
        "warmup_epochs": 2, "batch": 16, "lr": 0.016, "min_lr": 0.00016, "layer_decay": 1.0, "drop_path": 0.0,
        "cache": True,
    },
}  # fmt: skip


def recipe(name: str) -> DetectionSpec:
    """A recipe by its name; change fields with `but`. Raises OptionError for an unknown one."""
    if name not in RECIPES:
        raise OptionError(unknown("detection recipe", name, RECIPES))
    return DetectionSpec(**RECIPES[name])
