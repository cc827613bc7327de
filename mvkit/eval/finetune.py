"""Fine-tuning: the papers' own measure of what pre-training is worth.

`finetune` is the papers' recipe, from a manifest or from tensors; `finetune_accuracy` is a quick version for few labels
in memory: the same classifier, the same clips in the same order, from pre-trained or fresh weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.data.manifest import Manifest
from mvkit.errors import OptionError, RunError
from mvkit.eval.labelled import open_labelled
from mvkit.eval.mixup import ClipMixup
from mvkit.eval.spec import FinetuneSpec
from mvkit.models.classifier import VideoClassifier, body
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid
from mvkit.train.journal import Journal
from mvkit.train.optim import adamw, parameter_groups, set_rate
from mvkit.train.precision import autocast, choose_device, choose_precision
from mvkit.train.schedule import warmup_cosine
from mvkit.train.seed import derive, generator


@dataclass(frozen=True)
class Finetuned:
    """model: in eval mode, on its device. journal: step, epoch, loss and rate of every step. broken: path -> reason of
    the clips that could not be read and were replaced."""

    spec: FinetuneSpec
    model: VideoClassifier
    journal: Journal
    broken: dict[Path, str] = field(default_factory=dict)


def finetune(
    spec: FinetuneSpec,
    start: VideoViT | VideoClassifier,
    train: Manifest | tuple[Tensor, Tensor],
    *,
    classes: int | None = None,
    head_rows: Sequence[int] | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Finetuned:
    """Fine-tune a copy of a pre-trained encoder to the end of the spec; `start` is left as it was.

    start: the encoder, or a classifier fine-tuned before, whose `fc_norm` then goes along and, with head_rows, so do
    these rows of its head, one for each class here.
    train: a manifest, whose samples without spec.label are left out, or clips (n, 3, T, H, W) uint8 and labels (n,).
    classes: how many; by default as many as the manifest names, or one more than the highest label.
    progress: called with each journal line. The weights kept are the last ones, as the papers report them; for their
    accuracy see `score_views(model, manifest, spec.views)`.
    Differs from the released code: mixup draws once a step, not once a process; no loss scaling, as bf16 needs none.
    Raises OptionError or ShapeError for what does not fit, RunError when the loss stops being finite.
    """
    device = choose_device(spec.device)
    data = open_labelled(spec, train, classes)
    encoder = start.encoder if isinstance(start, VideoClassifier) else start
    model = _classifier(encoder, data.classes, spec.seed, spec.grid(encoder), spec.drop_path, spec.dropout).to(device)
    if isinstance(start, VideoClassifier):
        model.take_over(start, head_rows)
    elif head_rows is not None:
        raise OptionError("head_rows are those of a classifier, but fine-tuning starts from an encoder, without a head")
    groups = parameter_groups(model, spec.weight_decay, layer_decay=spec.layer_decay)
    optimiser = adamw(groups, betas=(0.9, spec.beta2))
    steps, warmup = spec.epochs * data.steps_per_epoch, spec.warmup_epochs * data.steps_per_epoch

    def rate(step: int) -> float:
        return warmup_cosine(
            step,
            steps=steps,
            base=spec.effective_lr,
            low=spec.effective_min_lr,
            warmup=warmup,
            start=spec.effective_warmup_lr,
        )

    journal = Journal(None)
    trainer = Trainer(model, optimiser, rate, choose_precision(spec.precision, device), spec.seed, spec.accumulate)
    for step, loss in trainer.run(data, spec.mix(data.classes), spec.smoothing):
        said = {"epoch": step // data.steps_per_epoch, "loss": loss, "lr": rate(step)}
        line = journal.write(step + 1, **said)
        if progress:
            progress(line)
    return Finetuned(spec, model.eval(), journal, data.broken)


def finetune_accuracy(
    encoder: VideoViT, train: Tensor, labels: Tensor, test: Tensor, wanted: Tensor, **options: Any
) -> float:
    """Share of `test` that `finetune_predict`, with these options, names as wanted (m,), 0 to 1."""
    return float((finetune_predict(encoder, train, labels, test, **options) == wanted).float().mean())


def finetune_predict(
    encoder: VideoViT,
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    *,
    epochs: int = 25,
    batch: int = 16,
    lr: float = 1e-3,
    weight_decay: float = 0.05,
    seed: int = 0,
    precision: str = "auto",
) -> Tensor:
    """Labels (m,) of `test` after fine-tuning a copy of `encoder` on `train`; `encoder` is left as it was.

    train, test: uint8 (n, 3, T, H, W); labels: (n,). lr: at the peak, warm-up over the first tenth. Nothing is
    augmented, mixed or dropped; see `finetune` for that.
    """
    device = next(encoder.parameters()).device
    model = _classifier(encoder, int(labels.max()) + 1, seed).to(device)
    optimiser = adamw(parameter_groups(model, weight_decay), betas=(0.9, 0.999))
    steps = epochs * -(-len(train) // batch)

    def rate(step: int) -> float:
        return warmup_cosine(step, steps=steps, base=lr, low=lr / 100, warmup=steps // 10)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for epoch in range(epochs):
            order = torch.randperm(len(train), generator=generator(seed, "finetune", epoch))
            for ids in order.split(batch):
                yield train[ids], labels[ids]

    precision = choose_precision(precision, device)
    for _ in Trainer(model, optimiser, rate, precision, seed).run(batches()):
        pass
    return logits(model, test, precision=precision).argmax(1)


@torch.inference_mode()
def logits(model: VideoClassifier, clips: Tensor, *, batch: int = 64, precision: str = "auto") -> Tensor:
    """clips: uint8 (n, 3, T, H, W) -> (n, classes) on the CPU, one view of each clip."""
    device = next(model.parameters()).device
    model.eval()
    with autocast(choose_precision(precision, device), device):
        return torch.cat([model(part.to(device).float() / 255).cpu() for part in clips.split(batch)])


def _classifier(
    encoder: VideoViT,
    classes: int,
    seed: int,
    grid: TokenGrid | None = None,
    drop_path: float = 0.0,
    dropout: float = 0.0,
) -> VideoClassifier:
    with torch.random.fork_rng(devices=[]):
        made = body(encoder, grid=grid, drop_path=drop_path)
        torch.manual_seed(derive(seed, "head"))
        return VideoClassifier(made, classes, dropout=dropout)


@dataclass
class Trainer:
    """The loop that both ways share. rate: step -> learning rate. accumulate: parts a step is computed in."""

    model: VideoClassifier
    optimiser: torch.optim.Optimizer
    rate: Callable[[int], float]
    precision: str
    seed: int
    accumulate: int = 1

    def run(
        self, batches: Iterable[tuple[Tensor, Tensor]], mix: ClipMixup | None = None, smoothing: float = 0.0
    ) -> Iterator[tuple[int, float]]:
        """One step for every batch of uint8 clips and labels -> (step, loss). Raises RunError if it is not finite."""
        device = self.model.head.weight.device
        self.model.train()
        for step, (clips, labels) in enumerate(batches):
            set_rate(self.optimiser, self.rate(step))
            shown, target = clips.to(device).float() / 255, labels.to(device)
            if mix is not None:
                shown, target = mix(shown, target, np.random.default_rng(derive(self.seed, "mixup", step)))
            self.optimiser.zero_grad(set_to_none=True)
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(derive(self.seed, "drop", step))  # drop path and dropout draw from the global one
                loss = self._backward(shown, target, 0.0 if mix else smoothing)
            if not np.isfinite(loss):
                raise RunError(f"fine-tuning step {step + 1}: the loss is {loss}; lower lr or use precision=fp32")
            self.optimiser.step()
            yield step, loss

    def _backward(self, clips: Tensor, target: Tensor, smoothing: float) -> float:
        total = 0.0
        for part, wanted in zip(clips.chunk(self.accumulate), target.chunk(self.accumulate), strict=True):
            with autocast(self.precision, clips.device):
                said = self.model(part)
            loss = F.cross_entropy(said.float(), wanted, label_smoothing=smoothing) * (len(part) / len(clips))
            loss.backward()
            total += float(loss.detach())
        return total
