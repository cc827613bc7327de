"""What a run is, in one small frozen record that is written beside its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mvkit.errors import OptionError, unknown


class RunSpec(BaseModel):
    """One pre-training run.

    options: the method's own (size, ratio, masker, ...). data: `manifest` (and `root`, `format`, ... of
    `data.read_manifest`) for a real set, fields of `ShapesSpec` for moving_shapes. frames, stride: of a clip, in frames
    of the file; augment, sampling: names in `data.augment` and `data.sampling`; cache keeps decoded files in memory.
    lr is the *base* rate: the rate used is lr * batch / 256, min_lr scaled likewise, as in the papers; `effective_lr`
    says it. accumulate: parts that a batch is computed in, one after the other. teacher_cache: MiB of memory for what
    teachers said of clips that come again unchanged. beta2: AdamW's second beta. clip_grad: largest gradient norm.
    Raises OptionError with one line for unknown names, wrong types and values out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    method: str = "videomae"
    options: dict[str, Any] = Field(default_factory=dict)
    card: str = "moving_shapes"
    data: dict[str, Any] = Field(default_factory=dict)
    frames: int = Field(8, ge=1)
    stride: int = Field(1, ge=1)
    image: int = Field(64, ge=4)
    augment: str = "centre"
    sampling: str = "dense"
    cache: bool = False
    steps: int = Field(400, ge=1)
    batch: int = Field(32, ge=1)
    accumulate: int = Field(1, ge=1)
    teacher_cache: int = Field(0, ge=0)
    lr: float = Field(1.5e-4, gt=0)
    min_lr: float = Field(0.0, ge=0)
    warmup: int = Field(0, ge=0)
    weight_decay: float = Field(0.05, ge=0)
    beta2: float = Field(0.95, gt=0, lt=1)
    clip_grad: float | None = Field(None, gt=0)
    seed: int = Field(0, ge=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    workers: int = Field(0, ge=0)
    log_every: int = Field(10, ge=1)
    monitor_every: int = Field(0, ge=0)
    checkpoint_every: int = Field(0, ge=0)
    keep: int = Field(2, ge=1)

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
            said = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError) as err:
            raise OptionError(f"spec {path} cannot be read: {err}") from None
        if not isinstance(said, dict):
            raise OptionError(f"spec {path} must be one JSON object, got {type(said).__name__}")
        return cls(**said)

    def write(self, path: Path) -> None:
        path.write_text(self.model_dump_json(indent=2) + "\n")
