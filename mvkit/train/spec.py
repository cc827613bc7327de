"""What a run is, in one small frozen record that is written beside its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mvkit.errors import OptionError, unknown


class RunSpec(BaseModel):
    """One pre-training run.

    Each field says what it is; `mvkit train --help` lists them.
    Raises OptionError with one line for unknown names, wrong types and values out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    method: str = Field("videomae", description="what is trained: a name in mvkit.methods")
    options: dict[str, Any] = Field(default_factory=dict, description="the method's own: size, ratio, masker, ...")
    start: list[str] = Field(
        default_factory=list,
        description='weights to begin with, copied by name in order: "run:<folder>", "file:<official file or a BERT>"',
    )
    card: str = Field("moving_shapes", description="the data set: a name in `mvkit data list`")
    data: dict[str, Any] = Field(
        default_factory=dict,
        description="manifest (and root, format, ...) of a real set; clips, val, frames, size, seed of moving_shapes",
    )
    frames: int = Field(8, ge=1, description="frames of a clip")
    stride: int = Field(1, ge=1, description="frames of the file from one frame of a clip to the next")
    image: int = Field(64, ge=4, description="side of the square clips in pixels")
    augment: str = Field("centre", description="a name in mvkit.data.augment")
    flip: float | None = Field(
        None, ge=0, le=1, description="chance that a clip is mirrored left to right; null leaves it to the augmentation"
    )
    sampling: str = Field("dense", description="a name in mvkit.data.sampling")
    cache: bool = Field(False, description="keep decoded files in memory")
    steps: int = Field(400, ge=1, description="optimiser steps of the whole run")
    batch: int = Field(32, ge=1, description="files of a step, each with one clip or `repeats` of them")
    repeats: int = Field(
        1,
        ge=1,
        description="augmented copies of each clip read, with a mask each; the learning rate does not count them",
    )
    accumulate: int = Field(1, ge=1, description="parts a batch is computed in, one after the other")
    teacher_cache: int = Field(
        0, ge=0, description="MiB of memory for what teachers said of clips that come again unchanged; 0 keeps nothing"
    )
    lr: float = Field(1.5e-4, gt=0, description="base rate: the rate used is lr * batch / 256, as in the papers")
    min_lr: float = Field(0.0, ge=0, description="base rate at the end, scaled as lr")
    warmup: int = Field(0, ge=0, description="steps of linear warm-up")
    weight_decay: float = Field(0.05, ge=0, description="of AdamW, on matrices")
    beta2: float = Field(0.95, gt=0, lt=1, description="AdamW's second beta")
    clip_grad: float | None = Field(None, gt=0, description="largest gradient norm; null for none")
    seed: int = Field(0, ge=0, description="of weights, order and masks")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of the forward pass; auto takes bf16 where the device is good at it"
    )
    device: str = Field("auto", description="cpu, cuda, cuda:1, mps; auto takes the best there is")
    workers: int = Field(0, ge=0, description="processes that read clips; 0 reads in the training process")
    log_every: int = Field(10, ge=1, description="steps between lines of the journal")
    monitor_every: int = Field(0, ge=0, description="steps between looks at kNN accuracy; 0 never looks")
    checkpoint_every: int = Field(0, ge=0, description="steps between checkpoints; 0 keeps the last state only")
    keep: int = Field(2, ge=1, description="newest checkpoints kept")

    def __init__(self, **values: Any) -> None:
        for name in values:
            if name not in type(self).model_fields:
                raise OptionError(f"RunSpec: {unknown('option', name, type(self).model_fields)}")
        try:
            super().__init__(**values)
        except ValidationError as err:
            first = err.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "RunSpec"
            raise OptionError(f"RunSpec: {where}: {first['msg']}, got {first['input']!r}") from None

    @model_validator(mode="after")
    def _warmup_fits(self) -> RunSpec:
        if self.warmup > self.steps:
            raise ValueError(f"warmup of {self.warmup} steps is longer than the run of {self.steps}")
        return self

    @property
    def effective_lr(self) -> float:
        return self.lr * self.batch / 256

    @property
    def effective_min_lr(self) -> float:
        return self.min_lr * self.batch / 256

    def method_options(self) -> dict[str, Any]:
        """What `methods.create` is called with."""
        return {"frames": self.frames, "image": self.image, **self.options}

    @classmethod
    def read(cls, path: Path | str) -> RunSpec:
        """A spec from a JSON file. Raises OptionError."""
        path = Path(path)
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except OSError as err:
            raise OptionError(f"spec {path} cannot be read: {err.strerror or err}; check the path") from None
        except UnicodeDecodeError:
            raise OptionError(f"spec {path} is not JSON but no text at all; wanted one JSON object") from None
        except json.JSONDecodeError as err:
            where = f"line {err.lineno}, column {err.colno}"
            raise OptionError(f"spec {path} is not JSON: {err.msg} at {where}; wanted one JSON object") from None
        if not isinstance(said, dict):
            raise OptionError(f"spec {path} must be one JSON object, got {type(said).__name__}")
        try:
            return cls(**said)
        except OptionError as err:
            raise OptionError(f"spec {path}: {str(err).removeprefix('RunSpec: ')}") from None

    def write(self, path: Path) -> None:
        path.write_text(self.model_dump_json(indent=2) + "\n")
