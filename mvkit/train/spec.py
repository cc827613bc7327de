"""What a run is, in one small frozen record that is written beside its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from mvkit.errors import OptionError
from mvkit.train.record import Record

# Settings that say how a run is kept going, not what it computes: it may go on with others.
_OUTSIDE = frozenset({"workers", "timeout", "time_limit", "tracker"})


class RunSpec(Record):
    """One pre-training run.

    Each field says what it is; `mvkit train --help` lists them.
    Raises OptionError with one line for unknown names, wrong types and values out of range.
    """

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
    batch: int = Field(
        32, ge=1, description="files of a step over all processes, each with one clip or `repeats` of them"
    )
    repeats: int = Field(
        1,
        ge=1,
        description="augmented copies of each clip read, with a mask each; the learning rate does not count them",
    )
    grouped: bool = Field(
        False, description="clips that differ only in what their captions say (moving_shapes' stories) in one batch"
    )
    accumulate: int = Field(1, ge=1, description="parts a process computes its batch in, one after the other")
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
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of a running mean of the weights, watched and saved beside; 0 keeps none"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="of the forward pass; auto takes bf16 where the device is good at it; fp16 is for CUDA"
    )
    device: str = Field("auto", description="cpu, cuda, cuda:1, mps; auto takes the best there is")
    parallel: Literal["ddp", "fsdp"] = Field(
        "ddp", description="several processes: each with all weights and optimiser states (ddp) or a shard (fsdp)"
    )
    timeout: float = Field(600.0, gt=0, description="seconds a process waits for the others before the job ends")
    time_limit: float = Field(
        0.0, ge=0, description="seconds after which the run saves and stops, to be called again; 0 for no limit"
    )
    checkpoint_blocks: bool = Field(
        False, description="compute each block again in the backward pass: less memory, more time, the same numbers"
    )
    compile: bool = Field(
        False,
        description="torch.compile for the blocks: faster on a GPU after a minute or more, numbers within rounding",
    )
    deterministic: bool = Field(False, description="only deterministic kernels, so that a GPU repeats a run to the bit")
    workers: int = Field(0, ge=0, description="processes that read clips; 0 reads in the training process")
    log_every: int = Field(10, ge=1, description="steps between lines of the journal")
    monitor_every: int = Field(0, ge=0, description="steps between looks at kNN accuracy; 0 never looks")
    checkpoint_every: int = Field(0, ge=0, description="steps between checkpoints; 0 keeps the last state only")
    keep: int = Field(2, ge=1, description="newest checkpoints kept")
    best: str = Field("", description="score of the monitor whose best checkpoint is kept too, as 'knn/label'")
    tracker: Literal["", "tensorboard"] = Field("", description="where the journal's numbers go besides")

    @model_validator(mode="after")
    def _warmup_fits(self) -> RunSpec:
        if self.warmup > self.steps:
            raise ValueError(f"warmup of {self.warmup} steps is longer than the run of {self.steps}")
        if self.best and not self.monitor_every:
            raise ValueError(f"best='{self.best}' needs monitor_every above 0, so that there are scores to compare")
        return self

    @property
    def effective_lr(self) -> float:
        return self.lr * self.batch / 256

    @property
    def effective_min_lr(self) -> float:
        return self.min_lr * self.batch / 256

    def differences(self, other: RunSpec) -> list[str]:
        """Names of the settings in which two specs train differently; none: they may share a folder."""
        return [
            name
            for name in type(self).model_fields
            if name not in _OUTSIDE and getattr(self, name) != getattr(other, name)
        ]

    def per_step(self, processes: int = 1) -> str:
        """What a step takes, in a line: the global batch and the rate that is used."""
        share = f"{processes} x {self.batch // processes}" if processes > 1 else "one process"
        return f"batch {self.batch} ({share}), lr {self.lr:g} per 256 clips = {self.effective_lr:g}"

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
