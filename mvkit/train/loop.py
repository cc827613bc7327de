"""The loop: clips in, steps of an optimiser, a journal and checkpoints out. It knows nothing of masks or teachers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mvkit import checkpoints, methods
from mvkit.data.dataset import Batch
from mvkit.errors import OptionError, RunError
from mvkit.methods.base import Method
from mvkit.train import state
from mvkit.train.interrupt import Interrupt
from mvkit.train.journal import Journal
from mvkit.train.optim import adamw, parameter_groups, set_rate
from mvkit.train.precision import autocast, choose_device, choose_precision
from mvkit.train.schedule import warmup_cosine
from mvkit.train.seed import derive, generator
from mvkit.train.source import open_manifest, open_source, train_split
from mvkit.train.spec import RunSpec
from mvkit.train.targets import TargetCache

Monitor = Callable[[Method], Mapping[str, float]]


@dataclass(frozen=True)
class Run:
    """A finished run. method: in eval mode, on its device. journal: its lines. folder: None if it kept nothing."""

    spec: RunSpec
    method: Method
    journal: Journal
    folder: Path | None

    def __repr__(self) -> str:
        return f"<Run of {self.spec.method}: {self.spec.steps} steps, in {self.folder or 'memory only'}>"


def fit(
    spec: RunSpec,
    source: Callable[[int], Iterator[Batch]] | None = None,
    *,
    out: Path | str | None = None,
    monitor: Monitor | None = None,
    progress: Callable[[dict], None] | None = None,
) -> Run:
    """Train spec.method to the end, going on from the newest checkpoint in `out` if there is one.

    source: first step -> batches, the same for the same step however often it is called; None opens the training
    split of spec.card.
    out: folder for spec.json, metrics.jsonl and checkpoint/. monitor: method -> named scores, every
    spec.monitor_every steps and at both ends. progress: called with each journal line.
    Ctrl-C finishes the step in hand, saves it if there is a folder, and raises KeyboardInterrupt; a second one at once.
    Raises OptionError for monitor_every without a monitor, RunError when the loss or a gradient stops being finite; the
    last good state is then in `out`.
    """
    if spec.monitor_every and monitor is None:
        raise OptionError(
            f"monitor_every={spec.monitor_every} needs a monitor: pass monitor=eval.knn_monitor(train, val), or use 0"
        )
    source = source or open_source(spec, train_split(open_manifest(spec)))
    device = choose_device(spec.device)
    spec = spec.model_copy(update={"device": str(device), "precision": choose_precision(spec.precision, device)})
    folder = Path(out) if out is not None else None
    journal = Journal(folder / "metrics.jsonl" if folder else None)
    torch.manual_seed(derive(spec.seed, "weights"))
    method = methods.create(spec.method, **spec.method_options())
    begun = checkpoints.start_from(method, spec.start)
    method = method.to(device)
    optimiser = adamw(parameter_groups(method, spec.weight_decay), betas=(0.9, spec.beta2))
    first = 0
    if folder:
        _claim(folder, spec)
        first = state.restore(folder / "checkpoint", method, optimiser)
        journal.rewind(first + 1 if first else 0)
    with Interrupt() as interrupt:
        reporter = _Reporter(journal, method, monitor, progress)
        if first == 0:
            for origin, report in zip(spec.start, begun, strict=True):
                reporter.write(0, start=origin, weights=str(report))
        _train(spec, method, optimiser, source, first, folder, reporter, interrupt)
    return Run(spec, method.eval(), journal, folder)


@dataclass
class _Reporter:
    journal: Journal
    method: Method
    monitor: Monitor | None
    progress: Callable[[dict], None] | None

    def write(self, step: int, **values: Any) -> None:
        line = self.journal.write(step, **values)
        if self.progress:
            self.progress(line)

    def observe(self, step: int) -> None:
        if self.monitor:
            # Looking must not change what comes after: a monitor may draw, training goes on as if it had not.
            with torch.random.fork_rng(devices=[]):
                scores = self.monitor(self.method.eval())
            self.write(step, **{f"monitor/{name}": float(score) for name, score in scores.items()})


def _train(
    spec: RunSpec,
    method: Method,
    optimiser: torch.optim.Optimizer,
    source: Callable[[int], Iterator[Batch]],
    first: int,
    folder: Path | None,
    report: _Reporter,
    interrupt: Interrupt,
) -> None:
    # Only where teachers see whole clips is there something to keep.
    keeps = spec.teacher_cache and type(method).targets is not Method.targets
    kept = TargetCache(method, spec.teacher_cache) if keeps else None
    if first == 0:
        report.observe(0)
    batches = source(first)
    started, counted = time.perf_counter(), 0
    for step in range(first + 1, spec.steps + 1):
        batch = next(batches)
        rate = warmup_cosine(
            step - 1, steps=spec.steps, base=spec.effective_lr, low=spec.effective_min_lr, warmup=spec.warmup
        )
        set_rate(optimiser, rate)
        parts, norm = _step(spec, method, optimiser, batch, kept, step)
        if norm is None:
            if folder:
                state.save(folder / "checkpoint", step - 1, method, optimiser, spec)
            said = ", ".join(f"{name} {value:.3g}" for name, value in parts.items())
            kept = (
                f"the state after step {step - 1} is in {folder / 'checkpoint'}"
                if folder
                else "nothing was kept on disk"
            )
            raise RunError(
                f"step {step}: loss or gradient is not finite ({said}) on clips {batch.indices.tolist()}; {kept}; "
                "lower lr, set clip_grad or use precision=fp32"
            )
        for item in batch.replaced:
            report.write(step, replaced=str(item.path), reason=item.reason)
        counted += len(batch.clips)
        if step % spec.log_every == 0 or step == spec.steps:
            speed = counted / max(time.perf_counter() - started, 1e-9)
            report.write(step, **parts, lr=rate, grad_norm=norm, clips_per_s=round(speed, 1))
            started, counted = time.perf_counter(), 0
        if spec.monitor_every and step % spec.monitor_every == 0 and step != spec.steps:
            report.observe(step)
        due = spec.checkpoint_every and step % spec.checkpoint_every == 0
        if folder and step != spec.steps and (due or interrupt.asked):
            state.save(folder / "checkpoint", step, method, optimiser, spec)
        if interrupt.asked and step != spec.steps:
            raise KeyboardInterrupt(f"stopped after step {step}")
    if first < spec.steps:
        report.observe(spec.steps)
        if folder:
            state.save(folder / "checkpoint", spec.steps, method, optimiser, spec)


def _step(
    spec: RunSpec,
    method: Method,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    kept: TargetCache | None,
    step: int,
) -> tuple[dict[str, float], float | None]:
    """One optimiser step -> loss and its parts, gradient norm; None for the norm, and no step, if not finite."""
    method.train()
    optimiser.zero_grad(set_to_none=True)
    device = torch.device(spec.device)
    # One generator for all parts of a step: a strategy that draws once then gives the masks of the whole batch.
    draws = generator(spec.seed, "mask", step, device=device)
    parts: dict[str, float] = {}
    for rows in torch.arange(len(batch.clips)).chunk(spec.accumulate):
        clips = batch.clips[rows[0] : rows[-1] + 1].to(device, non_blocking=True)
        share = len(rows) / len(batch.clips)
        given: dict[str, Any] = {}
        if "captions" in method.needs:
            given["captions"] = [batch.captions[row] for row in rows.tolist()]
        with autocast(spec.precision, device):
            if kept is not None:
                given["targets"] = kept(clips)
            out = method(clips.float() / 255, generator=draws, **given)
        (out.loss * share).backward()
        for name, value in {"loss": out.loss, **{f"part/{k}": v for k, v in out.parts.items()}}.items():
            parts[name] = parts.get(name, 0.0) + share * float(value.detach())
    if spec.clip_grad is None:
        norm = float(torch.nn.utils.get_total_norm([p.grad for p in method.parameters() if p.grad is not None]))
    else:
        norm = float(torch.nn.utils.clip_grad_norm_(method.parameters(), spec.clip_grad))
    if not (math.isfinite(norm) and math.isfinite(parts["loss"])):
        return parts, None
    optimiser.step()
    return parts, norm


def _claim(folder: Path, spec: RunSpec) -> None:
    """Write spec.json, or refuse a folder that holds another run."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "spec.json"
    if path.exists():
        there = RunSpec.read(path)
        if there != spec:
            names = [name for name in RunSpec.model_fields if getattr(there, name) != getattr(spec, name)]
            raise RunError(f"{folder} holds a run with other settings ({', '.join(names)}): choose another folder")
    else:
        spec.write(path)
