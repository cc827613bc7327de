"""How long things take, side by side: calls alternate A B A B, so that a machine that slows down slows all of them.

Each ratio is that of neighbours in time; its spread is that over the rounds. On a busy machine neither two threads nor
the wall clock mean anything: one thread and the clock "cpu", the process's own CPU time, still do.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from mvkit.errors import OptionError, unknown

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of several measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


def alternate(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    clock: str = "wall",
    device: torch.device | str = "cpu",
    warm: int = 1,
) -> dict[str, list[float]]:
    """Seconds of each call in each of `rounds` rounds; a round makes every call once, every other round backwards.

    clock: of `CLOCKS`; on a CUDA device "wall", which waits for the device. warm: rounds before any counts. Raises
    OptionError for another clock or fewer than one round.
    """
    if clock not in CLOCKS:
        raise OptionError(unknown("clock", clock, CLOCKS))
    if rounds < 1:
        raise OptionError(f"rounds must be 1 or more, got {rounds}")
    if clock == "cpu" and torch.device(device).type != "cpu":
        raise OptionError(f"clock 'cpu' does not see the work of {device}; use clock=wall")
    for _ in range(warm):
        for call in calls.values():
            call()
    found: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    for number in range(rounds):
        order = list(calls) if number % 2 == 0 else list(calls)[::-1]
        for name in order:
            found[name].append(seconds(calls[name], clock, device))
    return found


def seconds(call: Callable[[], object], clock: str = "wall", device: torch.device | str = "cpu") -> float:
    """How long one call takes, with all that it left to do on a CUDA device."""
    cuda, now = torch.device(device).type == "cuda", CLOCKS[clock]
    if cuda:
        torch.cuda.synchronize(device)
    started = now()
    call()
    if cuda:
        torch.cuda.synchronize(device)
    return now() - started


def ratio(slower: Sequence[float], faster: Sequence[float]) -> Spread:
    """How many times as fast the second is as the first, round by round."""
    return Spread.of([a / b for a, b in zip(slower, faster, strict=True)])
