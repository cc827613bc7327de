"""Training steps of methods and sizes, each held against the matrix products this machine can do at best.

The limit is measured before and after each step, in the same precision and with the same threads; `fraction` is the
model FLOPs a second over the mean of the two. Not counted as useful: norms, softmax, the optimiser, anything repeated.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import torch

from mvkit.bench import flops
from mvkit.bench.clock import Spread, alternate
from mvkit.bench.machine import describe, matmul_limit
from mvkit.bench.memory import activations, peak
from mvkit.bench.record import flat, today
from mvkit.bench.subjects import Subject

# Method, size and clips of a step that two cores and a few minutes can bear.
USUAL = (
    ("videomae", "small", 2), ("videomae", "base", 1), ("mae", "small", 8), ("mvd", "small", 1), ("amd", "small", 1),
    ("maskagain", "small", 2), ("umt", "base", 1),
)  # fmt: skip
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def bench_step(
    *,
    names: Sequence[str] = (),
    sizes: Sequence[str] = (),
    batch: int | None = None,
    frames: int | None = None,
    image: int = 224,
    precisions: Sequence[str] = ("fp32",),
    variants: Sequence[str] = ("eager",),
    rounds: int = 5,
    clock: str = "wall",
    device: str = "cpu",
    progress: Callable[[str], object] = print,
) -> dict[str, Any]:
    """The record of `mvkit bench step`: a row for each method, size, precision and variant.

    names, sizes: all combinations of these; where either is empty, those of `USUAL`. batch: clips; None takes
    those of `USUAL`, 2 for others.
    """
    wanted = [(name, size, clips) for name, size, clips in USUAL if name in (names or [name]) and not sizes]
    if names and sizes:
        wanted = [(name, size, 2) for name in names for size in sizes]
    elif sizes:
        wanted = [(name, size, clips) for name, _, clips in USUAL for size in sizes]
    if names and not sizes:
        wanted += [(name, "small", 2) for name in names if name not in {one for one, _, _ in wanted}]
    rows = []
    for name, size, clips in dict.fromkeys(wanted):
        for precision in precisions:
            for variant in variants:
                subject = Subject(
                    name, size, batch=batch or clips, frames=frames, image=image,
                    precision=precision, variant=variant, device=device,
                )  # fmt: skip
                rows.append(_row(subject, variant, rounds, clock))
                progress(line(rows[-1]))
                del subject
                gc.collect()
    said = {"bench": "step", "date": today(), "rounds": rounds, "clock": clock, "machine": describe(device)}
    return {**said, "results": rows}


def line(row: dict[str, Any]) -> str:
    """A row in words."""
    kind = f"{row['method']} {row['size']} {row['precision']}" + (f" {row['variant']}" * (row["variant"] != "eager"))
    return (
        f"{kind}, batch {row['batch']}: {row['ms_median']:.0f} ms ({row['ms_low']:.0f} to {row['ms_high']:.0f}), "
        f"{row['clips_per_s']:.2f} clips/s, {row['gflop_per_clip']:.1f} GFLOP a clip, {row['fraction']:.2f} of "
        f"{row['limit_gflops']:.0f} GFLOP/s"
    )


def _row(subject: Subject, variant: str, rounds: int, clock: str) -> dict[str, Any]:
    device, dtype, clips = subject.device, DTYPES[subject.precision], len(subject.clips)
    subject.step()
    # What autograd keeps is counted without the compiler, which hides it.
    held = activations(subject.loss, subject.method) if variant == "eager" else None
    most = peak(subject.step, device)
    limits = [matmul_limit(dtype, clock=clock, device=device).median]
    took = Spread.of(alternate({"step": subject.step}, rounds=rounds, clock=clock, device=device)["step"])
    limits.append(matmul_limit(dtype, clock=clock, device=device).median)
    work, limit = flops.of(subject.method).total / 1e9, sum(limits) / len(limits)
    return {
        "method": subject.name, "size": subject.size, "batch": clips, "frames": subject.frames, "image": subject.image,
        "precision": subject.precision, "variant": variant,
        **flat("ms", Spread(1e3 * took.median, 1e3 * took.low, 1e3 * took.high), 2),
        "clips_per_s": round(clips / took.median, 3),
        "peak_mb": None if most is None else round(most), "activations_mb": None if held is None else round(held),
        "gflop_per_clip": round(work, 2), "gflops": round(clips * work / took.median, 1),
        "limit_gflops": round(limit, 1), "fraction": round(clips * work / took.median / limit, 3),
    }  # fmt: skip
