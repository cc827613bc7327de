"""Fine-tune an action detector on boxed keyframes, and ask it about others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.data.boxed import KeyframeClips, rows
from mvkit.data.keyframes import Keyframe, Keyframes, Moment
from mvkit.data.loader import ClipLoader
from mvkit.errors import DataError, RunError
from mvkit.eval.average_precision import Claims
from mvkit.eval.detection_spec import AVA_COLOURS, DetectionSpec
from mvkit.eval.finetune import Trainer
from mvkit.eval.opened import VIEWS, View
from mvkit.models.classifier import VideoClassifier
from mvkit.models.detector import ActionDetector
from mvkit.models.vit import VideoViT
from mvkit.train.journal import Journal
from mvkit.train.optim import adamw, parameter_groups
from mvkit.train.precision import autocast, choose_device, choose_precision
from mvkit.train.schedule import warmup_cosine
from mvkit.train.seed import derive


def finetune_detector(
    spec: DetectionSpec,
    start: VideoViT | VideoClassifier,
    train: Keyframes,
    *,
    view: View = VIEWS["clip"],
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[ActionDetector, Journal, dict[Moment, str]]:
    """A detector fine-tuned to the end of the spec, its journal, and the keyframes that could not be read.

    view: what is shown of a clip. progress: called with each journal line.
    Raises RunError when the loss stops being finite.
    """
    device = choose_device(spec.device)
    encoder = start.encoder if isinstance(start, VideoClassifier) else start
    colours: dict[str, Any] = AVA_COLOURS if spec.statistics == "ava" else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(spec.seed, "head"))
        sizes: dict[str, Any] = {"frames": spec.frames, "drop_path": spec.drop_path}
        model = ActionDetector(encoder, len(train.classes), **sizes, **colours).to(device)
    dataset = spec.clips(train, encoder.patch, train=True)
    order = derive(spec.seed, "detection order") >> 32
    loader = ClipLoader(cast(Any, dataset), spec.batch, seed=order, epochs=spec.epochs, workers=spec.workers)
    steps, warmup = spec.epochs * loader.steps_per_epoch, spec.warmup_epochs * loader.steps_per_epoch
    scale = spec.batch / 256

    def rate(step: int) -> float:
        return warmup_cosine(step, steps=steps, base=spec.lr * scale, low=spec.min_lr * scale, warmup=warmup)

    groups = parameter_groups(model, spec.weight_decay, layer_decay=spec.layer_decay)
    optimiser, precision = adamw(groups, betas=(0.9, 0.999)), choose_precision(spec.precision, device)
    trainer = _BoxTrainer(cast(Any, model), optimiser, rate, precision, spec.seed, spec.accumulate)
    journal = Journal(None)
    for step, loss in trainer.run((view(batch.clips), batch.regions) for batch in cast(Any, loader)):
        said = {"epoch": step // loader.steps_per_epoch, "loss": loss, "lr": rate(step)}
        line = journal.write(step + 1, **said)
        if progress:
            progress(line)
    return model.eval(), journal, dataset.broken


class _BoxTrainer(Trainer):
    """The classifier's loop; the target of a step is its regions, boxes and actions in one."""

    def _backward(self, clips: Tensor, target: Tensor, smoothing: float) -> float:
        total, first = 0.0, 0
        for part in clips.chunk(self.accumulate):
            mine = target[(target[:, 0] >= first) & (target[:, 0] < first + len(part))]
            mine = torch.cat([mine[:, :1] - first, mine[:, 1:]], 1)
            with autocast(self.precision, clips.device):
                said = self.model(part, mine)
            loss = box_loss(said.float(), mine[:, 5:])
            loss.backward()
            total, first = total + float(loss.detach()), first + len(part)
        return total


def box_loss(logits: Tensor, actions: Tensor) -> Tensor:
    """(K, classes) each -> (): binary cross-entropy, its mean over elements times the boxes; 0 without boxes."""
    return F.binary_cross_entropy_with_logits(logits, actions, reduction="sum") / actions.shape[1]


@torch.inference_mode()
def predict(
    model: ActionDetector, spec: DetectionSpec, asked: Keyframes, *, view: View = VIEWS["clip"], batch: int = 16
) -> tuple[dict[Moment, Claims], dict[Moment, str]]:
    """Moment -> scores of every class for its boxes, sigmoid times the box's own score; and moment -> reason of
    those that could not be read. Frames are seen whole, boxes read a little wider than they are. Raises RunError."""
    device = model.head.weight.device
    precision, broken = choose_precision(spec.precision, device), {}
    dataset = spec.clips(asked, model.encoder.patch, train=False)
    found: dict[Moment, Claims] = {}
    for part in _alike(dataset, batch, broken):
        clips = torch.stack([clip.transpose(0, 1) for clip, _, _ in part]).to(device).float() / 255
        regions = torch.cat([rows(i, boxes, k.actions) for i, (_, k, boxes) in enumerate(part)]).to(device)
        with autocast(precision, device):
            said = model(view(clips), regions).float().sigmoid().double().cpu().numpy()
        if not np.isfinite(said).all():
            raise RunError("scores of the detector are not finite; did its training diverge?")
        counts = [len(k.boxes) for _, k, _ in part]
        for (_, keyframe, _), scores in zip(part, np.split(said, np.cumsum(counts)[:-1]), strict=True):
            found[keyframe.moment] = Claims(keyframe.boxes, scores * keyframe.scores[:, None])
    return found, broken


Shown = tuple[Tensor, Keyframe, np.ndarray]


def _alike(dataset: KeyframeClips, batch: int, broken: dict[Moment, str]) -> Iterator[list[Shown]]:
    """Clips of one size, at most `batch` together; those that cannot be read go to `broken`."""
    part: list[Shown] = []
    for index in range(len(dataset)):
        try:
            shown = dataset.clip(index)
        except DataError as err:
            broken[dataset.manifest[index].moment] = str(err)
            continue
        if part and (len(part) == batch or shown[0].shape != part[0][0].shape):
            yield part
            part = []
        part.append(shown)
    if part:
        yield part
