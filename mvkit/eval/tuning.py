"""Fine-tuning for tasks with words: one small record of settings, and the loop that retrieval and questions share.

Paper: UMT, arXiv:2303.16058, whose rates are not scaled with the batch. Differs: the temperature does not decay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from mvkit.data import augment as recipes
from mvkit.data.dataset import ClipDataset
from mvkit.data.loader import side_by_side
from mvkit.data.manifest import Manifest
from mvkit.errors import OptionError, RunError
from mvkit.models.vit import VideoViT
from mvkit.train.optim import adamw, parameter_groups, set_rate
from mvkit.train.precision import autocast, choose_precision
from mvkit.train.record import Record
from mvkit.train.schedule import floored_cosine
from mvkit.train.seed import derive, generator

Loss = Callable[[Tensor, list[int], torch.Generator], Tensor]
"""Clips (B, 3, T, H, W) in [0, 1], the numbers of their items, a generator -> the loss, ()."""


class TuneSpec(Record):
    """One fine-tuning. lr: the rate at its peak, at any batch; a hundredth of it at both ends.

    frames: of a clip, 0 takes the run's; sampling: a name in `data.sampling`. augment: "centre", or "random_resized"
    with this chance of a `flip` (0 where captions say left and right). batch: items a step: captions, or clips with
    `together` of their questions. captions: of each clip that are learned from, the first ones; 0 takes all.
    grouped: clips that differ only in what their captions say (`Sample.group`) come in the same step, as negatives.
    drop_path: of the video encoder's last block. cache: keep decoded files in memory.
    Raises OptionError with one line for unknown names, wrong types and values out of range.
    """

    frames: int = Field(0, ge=0)
    sampling: str = "intervals"
    augment: Literal["centre", "random_resized"] = "centre"
    flip: float = Field(0.0, ge=0, le=1)
    epochs: int = Field(10, ge=1)
    warmup_epochs: int = Field(1, ge=0)
    batch: int = Field(32, ge=1)
    captions: int = Field(0, ge=0)
    together: int = Field(1, ge=1)
    grouped: bool = False
    lr: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.02, ge=0)
    beta2: float = Field(0.999, gt=0, lt=1)
    drop_path: float = Field(0.0, ge=0, lt=1)
    seed: int = Field(0, ge=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    cache: bool = False

    @model_validator(mode="after")
    def _fits(self) -> TuneSpec:
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs of {self.warmup_epochs} is longer than the run of {self.epochs}")
        if self.flip and self.augment == "centre":
            raise ValueError("augment='centre' mirrors nothing: flip wants augment='random_resized'")
        return self

    def dataset(self, manifest: Manifest, frames: int, image: int) -> ClipDataset:
        """The clips of a manifest as this spec shows them; frames: the run's, where the spec says 0."""
        crop = recipes.RandomResized(image, flip=self.flip) if self.augment == "random_resized" else "centre"
        seed, cache = derive(self.seed, "tuning clips") >> 32, "memory" if self.cache else None
        return ClipDataset(manifest, self.frames or frames, 1, image, crop, seed, sampling=self.sampling, cache=cache)


def tune(
    model: nn.Module,
    dataset: ClipDataset,
    places: Sequence[int],
    spec: TuneSpec,
    loss: Loss,
    *,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> list[str]:
    """Train a model in place, then set it to eval mode; names the files that could not be read.

    places: of each item's clip in the dataset's manifest; an item whose clip cannot be read is left out. progress:
    called with step, steps and loss. Raises OptionError where items do not fill a step, RunError when the loss stops
    being finite.
    """
    per_epoch = len(places) // spec.batch
    if not per_epoch:
        raise OptionError(f"{len(places)} items do not fill one step of {spec.batch}: use batch={max(len(places), 1)}")
    device = next(model.parameters()).device
    precision = choose_precision(spec.precision, device)
    optimiser = adamw(parameter_groups(model, spec.weight_decay), betas=(0.9, spec.beta2))
    steps = spec.epochs * per_epoch
    groups = [dataset.manifest[place].group or place for place in places]
    model.train()
    for step in range(steps):
        epoch, place = divmod(step, per_epoch)
        order = torch.randperm(len(places), generator=generator(spec.seed, "tuning order", epoch)).tolist()
        if spec.grouped:
            order = side_by_side(order, groups)
        ids = order[place * spec.batch : (place + 1) * spec.batch]
        batch = dataset.batch([(epoch, places[i]) for i in ids])
        rows = [row for row, i in enumerate(ids) if int(batch.indices[row]) == places[i]]
        factor = floored_cosine(step, steps=steps, warmup=spec.warmup_epochs * per_epoch)
        set_rate(optimiser, spec.lr * factor)
        optimiser.zero_grad(set_to_none=True)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), autocast(precision, device):
            torch.manual_seed(derive(spec.seed, "tuning drop", step))  # drop path and dropout draw from the global one
            clips = batch.clips[rows].to(device).float() / 255
            value = loss(clips, [ids[row] for row in rows], generator(spec.seed, "tuning", step))
        if not torch.isfinite(value):
            raise RunError(f"fine-tuning step {step + 1}: the loss is {float(value)}; lower lr or use precision=fp32")
        value.backward()
        optimiser.step()
        if progress:
            progress({"step": step + 1, "steps": steps, "loss": float(value.detach()), "lr": spec.lr * factor})
    model.eval()
    return [f"{path}: {reason}" for path, reason in dataset.broken.items()]


def with_drop_path(encoder: VideoViT, rate: float) -> VideoViT:
    """A copy of an encoder with another drop path, on its device."""
    made = VideoViT.from_config(encoder.config, drop_path=rate)
    made.load_state_dict(encoder.state_dict())
    return made.to(encoder.patch_embed.proj.weight.device)
