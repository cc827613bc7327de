"""The loop: clips in, steps of an optimiser, a journal and checkpoints out. It knows nothing of masks or teachers.

In processes that torch.distributed.run started, each calls `fit` alike; the first one writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch

from mvkit import checkpoints, methods
from mvkit.data.dataset import Batch
from mvkit.errors import OptionError, RunError
from mvkit.methods.base import Method
from mvkit.train import shards, state
from mvkit.train.ema import Ema
from mvkit.train.interrupt import Interrupt, stopped
from mvkit.train.journal import Journal
from mvkit.train.optim import adamw, parameter_groups, set_rate
from mvkit.train.parallel import Team, open_team
from mvkit.train.precision import choose_device, choose_precision, determinism, loss_scaler
from mvkit.train.schedule import warmup_cosine
from mvkit.train.seed import derive
from mvkit.train.source import open_manifest, open_source, train_split
from mvkit.train.spec import RunSpec
from mvkit.train.state import Training
from mvkit.train.step import Outcome, Step
from mvkit.train.tracker import open_tracker
from mvkit.train.watch import Look, Monitor, Watch, whole_method

Source = Callable[[int], Iterator[Batch]]


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
    source: Source | None = None,
    *,
    out: Path | str | None = None,
    monitor: Monitor | None = None,
    look: Look | None = None,
    progress: Callable[[dict], None] | None = None,
) -> Run:
    """Train spec.method to the end, going on from the newest checkpoint in `out` if there is one.

    source: first step -> batches, the same for the same step however often it is called; None opens the training
    split of spec.card. Of several processes each is given its own share of spec.batch.
    out: folder for spec.json, metrics.jsonl and checkpoint/. monitor: method -> named scores, every
    spec.monitor_every steps and at both ends. look: called with step and method at the same steps, to keep a picture
    (`mvkit.runs.pictures.Pictures`). progress: called with each journal line.
    Ctrl-C, SIGTERM and the end of spec.time_limit finish the step in hand, save it if there is a folder, and raise
    KeyboardInterrupt, the latter two as `interrupt.Requeue`; a second Ctrl-C raises at once.
    Raises OptionError for monitor_every with nobody to look, RunError when the loss or a gradient stops being finite
    (the last good state is then in `out`) or when another process of the run is lost.
    """
    if spec.monitor_every and monitor is None and look is None:
        raise OptionError(
            f"monitor_every={spec.monitor_every} needs a monitor: pass monitor=eval.knn_monitor(train, val), or use 0"
        )
    device = choose_device(spec.device)
    spec = spec.model_copy(update={"device": str(device), "precision": choose_precision(spec.precision, device)})
    team = open_team(spec.device, spec.batch, spec.timeout)
    folder = Path(out) if out is not None else None
    with team.losses_explained(), determinism(spec.deterministic), Interrupt(spec.time_limit) as interrupt:
        if source is None:
            with team.one_by_one():
                source = open_source(spec, train_split(open_manifest(spec)))
        device = team.device(device)
        training, begun = _begin(spec, team, device)
        first = 0
        if folder:
            with team.one_by_one():
                _claim(folder, spec)
            first = state.restore(folder / "checkpoint", training)
        journal = Journal(folder / "metrics.jsonl" if folder and team.leads else None)
        if folder:
            journal.rewind(first + 1 if first else 0)
        tracker = open_tracker(spec.tracker, folder, first) if team.leads else None
        watch = Watch(spec, journal, training, folder, monitor, look, progress, tracker)
        if first == 0:
            for origin, report in zip(spec.start, begun, strict=True):
                watch.write(0, start=origin, weights=str(report))
        try:
            _train(spec, Step(spec, training, device), source, first, watch, interrupt)
        finally:
            if tracker:
                tracker.close()
        return Run(spec, whole_method(spec, training).eval(), journal, folder)


def _begin(spec: RunSpec, team: Team, device: torch.device) -> tuple[Training, list[checkpoints.Report]]:
    """Everything that trains, as it is before the first step, and what was loaded into it."""
    torch.manual_seed(derive(spec.seed, "weights"))
    method = methods.create(spec.method, **spec.method_options())
    begun = checkpoints.start_from(method, spec.start)
    method = method.to(device)
    groups = parameter_groups(method, spec.weight_decay)
    sharded = spec.parallel == "fsdp" and team.world > 1
    if sharded:
        shards.shard(method, groups, team.world, device)
    optimiser = adamw(groups, betas=(0.9, spec.beta2))
    ema = Ema(method, spec.ema) if spec.ema else None
    return Training(method, optimiser, team, ema, loss_scaler(spec.precision), sharded), begun


def _train(spec: RunSpec, advance: Step, source: Source, first: int, watch: Watch, interrupt: Interrupt) -> None:
    training, team = watch.training, watch.training.team
    saves = watch.folder / "checkpoint" if watch.folder else None
    if first == 0:
        watch.observe(0)
    batches = source(first)
    watch.start_clock()
    for step in range(first + 1, spec.steps + 1):
        batch = next(batches)
        rate = warmup_cosine(
            step - 1, steps=spec.steps, base=spec.effective_lr, low=spec.effective_min_lr, warmup=spec.warmup
        )
        set_rate(training.optimiser, rate)
        done = advance(batch, step)
        if not done.fine:
            _give_up(spec, step, done, batch, training, saves)
        for item in batch.replaced:
            watch.write(step, replaced=str(item.path), reason=item.reason)
        watch.count(len(batch.clips) * team.world)
        if step % spec.log_every == 0 or step == spec.steps:
            norm = {"skipped": True} if done.skipped else {"grad_norm": done.norm}
            watch.write(step, **done.parts, lr=rate, **norm, **watch.pace())
        last = step == spec.steps
        observed = last or (spec.monitor_every and step % spec.monitor_every == 0)
        best = bool(observed) and watch.observe(step)
        cause = team.largest(interrupt.asked)
        due = spec.checkpoint_every and step % spec.checkpoint_every == 0
        if saves and (last or due or best or cause):
            state.save(saves, step, training, spec)
        if cause and not last:
            raise stopped(cause, step, kept=saves is not None)


def _give_up(spec: RunSpec, step: int, done: Outcome, batch: Batch, training: Training, saves: Path | None) -> None:
    """Save the state before a step that went wrong and raise RunError, which names the clips of the step."""
    if saves:
        state.save(saves, step - 1, training, spec)
    # Of several processes only those whose own loss is broken name clips, unless it is the gradient alone.
    shares = training.team.all((done.mine, batch.indices.tolist()))
    broken = [clips for loss, clips in shares if not math.isfinite(loss)]
    clips = list(chain.from_iterable(broken or [clips for _, clips in shares]))
    said = ", ".join(f"{name} {value:.3g}" for name, value in done.parts.items())
    kept = f"the state after step {step - 1} is in {saves}" if saves else "nothing was kept on disk"
    raise RunError(
        f"step {step}: loss or gradient is not finite ({said}) on clips {clips}; {kept}; "
        "lower lr, set clip_grad or use precision=fp32"
    )


def _claim(folder: Path, spec: RunSpec) -> None:
    """Write spec.json, or refuse a folder that holds another run."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "spec.json"
    if path.exists():
        names = RunSpec.read(path).differences(spec)
        if names:
            raise RunError(f"{folder} holds a run with other settings ({', '.join(names)}): choose another folder")
    else:
        spec.write(path)
