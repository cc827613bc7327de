"""One optimiser step: parts of a batch forward and backward, gradients averaged and clipped, weights moved."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mvkit.data.dataset import Batch
from mvkit.errors import OptionError
from mvkit.methods.base import Method
from mvkit.train import blocks, draws, shards
from mvkit.train.allocator import keep_freed_memory
from mvkit.train.precision import autocast
from mvkit.train.seed import derive, generator
from mvkit.train.spec import RunSpec
from mvkit.train.state import Training
from mvkit.train.targets import TargetCache

# fp16's scale halves at each overflow; below this the gradients themselves are broken.
_LEAST_SCALE = 2.0**-10


@dataclass(frozen=True)
class Outcome:
    """parts: "loss" and "part/<name>", means over the whole batch. norm: of the gradient, before clipping. fine: were
    they finite, and the weights moved? skipped: fp16 overflowed and no weight moved, which is no fault. mine: loss of
    this process's clips."""

    parts: dict[str, float]
    norm: float
    fine: bool
    skipped: bool
    mine: float


class Step:
    """Steps of a run on this process's share of each batch; device: where it computes."""

    def __init__(self, spec: RunSpec, training: Training, device: torch.device) -> None:
        self.spec, self.training, self.device = spec, training, device
        self.method, self.team = training.method, training.team
        if device.type == "cpu":
            keep_freed_memory()
        if spec.compile:
            blocks.compile_blocks(self.method, device)
        if spec.checkpoint_blocks:
            blocks.recompute_blocks(self.method)
        self.module = self.method if training.sharded else self.team.distributed(self.method)
        # Only where teachers see whole clips is there something to keep.
        keeps = spec.teacher_cache and type(self.method).targets is not Method.targets
        self.kept = TargetCache(self.method, spec.teacher_cache) if keeps else None

    def __call__(self, batch: Batch, step: int) -> Outcome:
        """step: counted from 1. Unless fine, weights are those before it."""
        training, spec = self.training, self.spec
        self.method.train()
        training.optimiser.zero_grad(set_to_none=True)
        if self.team.world > 1:
            # Drop path then differs from process to process, and a resumed run repeats it without anyone's state.
            torch.manual_seed(derive(spec.seed, "step", step, self.team.rank))
        own = self._backward(batch, step)
        parts = self.team.mean(own)
        if training.scaler:
            training.scaler.unscale_(training.optimiser)
        norm = self._clipped_norm()
        # fp16's gradients overflow now and then, and the scaler leaves those steps out.
        sound = training.scaler.get_scale() > _LEAST_SCALE if training.scaler else math.isfinite(norm)
        fine = sound and math.isfinite(parts["loss"])
        if fine:
            self._move()
        return Outcome(parts, norm, fine, fine and not math.isfinite(norm), own["loss"])

    def _backward(self, batch: Batch, step: int) -> dict[str, float]:
        """Gradients of this process's clips; loss and parts of them."""
        # One generator for all parts of a step: a strategy that draws once then gives the masks of the whole batch.
        drawn = generator(self.spec.seed, "mask", step, device=self.device)
        parts: dict[str, float] = {}
        chunks = torch.arange(len(batch.clips)).chunk(self.spec.accumulate)
        for number, rows in enumerate(chunks):
            clips = batch.clips[rows[0] : rows[-1] + 1].to(self.device, non_blocking=True)
            share = len(rows) / len(batch.clips)
            given: dict[str, Any] = {}
            if "captions" in self.method.needs:
                given["captions"] = [batch.captions[row] for row in rows.tolist()]
            with self._synchronised(number + 1 == len(chunks)):
                with (
                    autocast(self.spec.precision, self.device),
                    draws.shared(self.method, self.team, self._files(rows)),
                ):
                    if self.kept is not None:
                        given["targets"] = self.kept(clips)
                    out = self.module(clips.float() / 255, generator=drawn, **given)
                loss = out.loss * share
                (self.training.scaler.scale(loss) if self.training.scaler else loss).backward()
            for name, value in {"loss": out.loss, **{f"part/{k}": v for k, v in out.parts.items()}}.items():
                parts[name] = parts.get(name, 0.0) + share * float(value.detach())
        return parts

    def _files(self, rows: Tensor) -> int:
        if self.team.world > 1 and len(rows) % self.spec.repeats:
            raise OptionError(
                f"accumulate={self.spec.accumulate} cuts the {self.spec.repeats} copies of a clip apart, which several "
                "processes cannot do; use a number that divides the files of a process"
            )
        return max(len(rows) // self.spec.repeats, 1)

    def _synchronised(self, last: bool) -> AbstractContextManager:
        """Gradients go to the other processes with the last part only."""
        if self.training.sharded:
            self.method.set_requires_gradient_sync(last)  # type: ignore[operator]
        return nullcontext() if last or self.module is self.method else self.module.no_sync()  # type: ignore[operator]

    def _clipped_norm(self) -> float:
        largest = self.spec.clip_grad
        if largest is None:
            gradients = [p.grad for p in self.method.parameters() if p.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients)
        else:
            norm = torch.nn.utils.clip_grad_norm_(self.method.parameters(), largest)
        return float(shards.whole(norm))

    def _move(self) -> None:
        training = self.training
        if training.scaler:
            training.scaler.step(training.optimiser)
            training.scaler.update()
        else:
            training.optimiser.step()
        if training.ema:
            training.ema.update()
