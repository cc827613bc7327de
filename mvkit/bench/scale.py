"""How a step's cost grows: one thing changed at a time, from the same VideoMAE step; then with one and two processes.

Processes share the cores: each of two gets half the threads, and they average gradients by gloo as a run on CPUs does.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import torch

from mvkit.bench import flops
from mvkit.bench.clock import Spread, alternate
from mvkit.bench.machine import describe
from mvkit.bench.memory import activations
from mvkit.bench.record import flat, today
from mvkit.bench.subjects import Subject
from mvkit.errors import OptionError, RunError

AXES: dict[str, tuple[float, ...]] = {
    "batch": (1, 2, 4, 8), "frames": (4, 8, 16, 32), "image": (112, 160, 224, 288), "ratio": (0.5, 0.75, 0.9, 0.95),
}  # fmt: skip
BASE = {"batch": 2, "frames": 16, "image": 224, "ratio": 0.9}
PATIENCE = 600.0  # seconds for all processes of one measurement


def bench_scale(
    *,
    size: str = "small",
    axes: dict[str, Sequence[float]] | None = None,
    base: dict[str, float] | None = None,
    processes: Sequence[int] = (1, 2),
    precision: str = "fp32",
    rounds: int = 3,
    clock: str = "wall",
    device: str = "cpu",
    progress: Callable[[str], object] = print,
) -> dict[str, Any]:
    """The record of `mvkit bench scale`, for a VideoMAE of that size.

    axes: of `AXES`, the values to try of each; base: what the others are meanwhile, `BASE` where it says nothing.
    """
    chosen, start = AXES if axes is None else axes, BASE | (base or {})
    if extra := sorted((set(chosen) | set(start)) - set(BASE)):
        raise OptionError(f"'{extra[0]}' is nothing to scale by; there are: {', '.join(BASE)}")
    rows = []
    for axis, values in chosen.items():
        for value in values:
            at = start | {axis: value}
            subject = _subject(size, at, precision, device)
            held = activations(subject.loss, subject.method)
            took = Spread.of(alternate({"step": subject.step}, rounds=rounds, clock=clock, device=device)["step"])
            per_clip = Spread(*(1e3 * one / at["batch"] for one in (took.median, took.low, took.high)))
            row = {
                "axis": axis, "value": value, **at, **flat("ms_per_clip", per_clip, 2),
                "activations_mb_per_clip": round(held / at["batch"], 1),
                "gflop_per_clip": round(flops.of(subject.method).total / 1e9, 2),
            }  # fmt: skip
            rows.append(row)
            progress(f"{axis} {value:g}: {per_clip.median:.0f} ms, {row['activations_mb_per_clip']:.0f} MB and "
                     f"{row['gflop_per_clip']:.1f} GFLOP a clip")  # fmt: skip
            del subject
            gc.collect()
    shared = []
    for count in processes:
        seconds = _together(count, size, start, precision, rounds)
        rate = count * start["batch"] / seconds
        threads = _threads(count)
        shared.append({"processes": count, "threads_each": threads, "batch_each": start["batch"],
                       "clips_per_s": round(rate, 3)})  # fmt: skip
        progress(f"{count} processes of {threads} threads: {rate:.2f} clips/s")
    return {
        "bench": "scale", "date": today(), "method": "videomae", "size": size, "precision": precision,
        "rounds": rounds, "clock": clock, "machine": describe(device), "results": rows, "processes": shared,
    }  # fmt: skip


def _subject(size: str, at: dict[str, float], precision: str, device: str = "cpu") -> Subject:
    return Subject(
        "videomae", size, batch=int(at["batch"]), frames=int(at["frames"]), image=int(at["image"]), ratio=at["ratio"],
        precision=precision, device=device,
    )  # fmt: skip


def _threads(processes: int) -> int:
    return max(1, torch.get_num_threads() // processes)


def _together(count: int, size: str, at: dict[str, float], precision: str, rounds: int) -> float:
    """Median seconds of a step of `count` processes that average their gradients. Raises RunError if one fails."""
    context = torch.multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="mvkit-bench-") as folder:
        answers: Queue[float] = context.Queue()
        given = (count, folder, size, at, precision, rounds, _threads(count), answers)
        started = [context.Process(target=_rank, args=(rank, *given), daemon=True) for rank in range(count)]
        for process in started:
            process.start()
        for process in started:
            process.join(PATIENCE)
        if failed := [process.exitcode for process in started if process.exitcode != 0]:
            for process in started:
                process.kill()
            why = f"no answer in {PATIENCE:g} s" if failed[0] is None else f"exit code {failed[0]}"
            raise RunError(f"a step of {count} processes failed: {why} (its own error stands above)")
        return max(answers.get() for _ in started)


def _rank(
    rank: int, count: int, folder: str, size: str, at: dict[str, float], precision: str, rounds: int, threads: int,
    answers: Queue[float],
) -> None:  # fmt: skip
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    store = Path(folder) / "meeting"
    torch.distributed.init_process_group("gloo", init_method=store.as_uri(), rank=rank, world_size=count)
    try:
        subject = _subject(size, at, precision)
        if count > 1:
            subject.forward = torch.nn.parallel.DistributedDataParallel(subject.method)
        answers.put(Spread.of(alternate({"step": subject.step}, rounds=rounds)["step"]).median)
    finally:
        torch.distributed.destroy_process_group()
