"""What is said of a run while it goes on: its journal, those who watch scores, and those who keep pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mvkit import methods
from mvkit.errors import OptionError
from mvkit.methods.base import Method
from mvkit.train import shards, state
from mvkit.train.journal import Journal
from mvkit.train.spec import RunSpec
from mvkit.train.state import Training
from mvkit.train.tracker import Tracker

Monitor = Callable[[Method], Mapping[str, float]]
Look = Callable[[int, Method], object]


@dataclass
class Watch:
    """journal: where lines go, on every process; only the leader's has a file. folder: of the run, or None."""

    spec: RunSpec
    journal: Journal
    training: Training
    folder: Path | None = None
    monitor: Monitor | None = None
    look: Look | None = None
    progress: Callable[[dict], None] | None = None
    tracker: Tracker | None = None
    _since: tuple[float, int] = field(default=(0.0, 0), init=False)

    def write(self, step: int, **values: Any) -> None:
        if not self.training.team.leads:
            return
        line = self.journal.write(step, **values)
        if self.tracker:
            self.tracker.write(step, values)
        if self.progress:
            self.progress(line)

    def start_clock(self) -> None:
        self._since = (time.perf_counter(), 0)

    def count(self, clips: int) -> None:
        self._since = (self._since[0], self._since[1] + clips)

    def pace(self) -> dict[str, float]:
        """Clips a second since it was asked last, and on a GPU the most memory that the run has held, in MiB."""
        began, clips = self._since
        self.start_clock()
        found = {"clips_per_s": round(clips / max(time.perf_counter() - began, 1e-9), 1)}
        if torch.cuda.is_initialized():  # by this process, so a run on the CPU asks nothing of a GPU
            found["gpu_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
        return found

    def observe(self, step: int) -> bool:
        """Ask for scores and pictures, of the leader; the others wait. Is this the best step so far?"""
        team, found = self.training.team, 0
        # Only the leader need have been given somebody to ask.
        if team.largest(bool(self.monitor or self.look)):
            shown = whole_method(self.spec, self.training)
            found = self._observe(step, shown) if team.leads else 0
        return bool(team.largest(found))

    def _observe(self, step: int, method: Method) -> bool:
        # Looking must not change what comes after: who looks may draw, training goes on as if it had not.
        with torch.random.fork_rng(devices=[]):
            scores = dict(self.monitor(method.eval())) if self.monitor else {}
            if self.look:
                self.look(step, method.eval())
            ema = self.training.ema
            if ema and self.monitor:
                with ema.shown() if method is self.training.method else nullcontext():
                    scores |= {f"ema/{name}": score for name, score in self.monitor(method.eval()).items()}
        if scores:
            self.write(step, **{f"monitor/{name}": float(score) for name, score in scores.items()})
        return self._is_best(step, scores)

    def _is_best(self, step: int, scores: Mapping[str, float]) -> bool:
        name = self.spec.best
        if not name or not self.folder:
            return False
        if name not in scores:
            raise OptionError(f"best='{name}' is no score of the monitor; it gives {', '.join(scores) or 'none'}")
        known = state.best(self.folder / "checkpoint")
        if known and known["step"] < step and known["score"] >= scores[name]:
            return False
        state.name_best(self.folder / "checkpoint", step, name, float(scores[name]))
        return True


def whole_method(spec: RunSpec, training: Training) -> Method:
    """The method itself, or where it is sharded a whole copy of the leader's; every process must ask."""
    if not training.sharded:
        return training.method
    weights = shards.whole_weights(training.method)
    if not training.team.leads:
        return training.method
    with torch.random.fork_rng(devices=[]):
        method = methods.create(spec.method, **spec.method_options())
    method.load_state_dict(weights)
    return method.to(training.team.accelerator.device).eval()
