"""What drawing masks costs, as a share of the training step they are drawn for.

Step and draw alternate, A B A B, so that a machine that slows down slows both; each ratio is that of neighbours.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mvkit import maskers, methods
from mvkit.errors import OptionError
from mvkit.maskers.base import MaskContext, Masker
from mvkit.methods.base import Method
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class MaskCost:
    """masker: its name. share: median of draw time over step time, for the same batch; low, high: over the rounds."""

    masker: str
    share: float
    low: float
    high: float

    def line(self) -> str:
        return f"{self.masker:14s} {100 * self.share:7.2f} %  ({100 * self.low:.2f} to {100 * self.high:.2f})"


def bench_masks(
    *, size: str = "small", batch: int = 64, part: int = 2, rounds: int = 5, out: Path | None = None
) -> Iterator[MaskCost]:
    """The cost of each masker for `batch` masks of a 16x224x224 clip, against a VideoMAE training step of that size.

    part: clips the step is timed with; its time is scaled to `batch` clips, which a small machine cannot hold.
    out: file for the results as JSON. Attention is given where a masker can take it, as in a run that has
    a teacher; what a masker computes itself is counted, the optical flow of `flow` too.
    """
    if not 1 <= part <= batch:
        raise OptionError(f"part must lie between 1 and batch={batch}, got {part}")
    method = methods.create("videomae", size=size)
    context = _context(method.encoder.grid, batch)
    step = _step(method, part)
    step()
    found = []
    for name in maskers.available():
        masker = maskers.create(name)
        draw = _draw(masker, method.encoder.grid, batch, context)
        draw()
        shares = []
        for _ in range(rounds):
            whole = _seconds(step) * batch / part
            shares.append(_seconds(draw) / whole)
        found.append(MaskCost(name, statistics.median(shares), min(shares), max(shares)))
        yield found[-1]
    if out is not None:
        machine = {"cpu": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
        said = {"bench": "masks", "size": size, "batch": batch, "torch": torch.__version__, "machine": machine}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({**said, "results": [asdict(cost) for cost in found]}, indent=2) + "\n")


def _context(grid: TokenGrid, batch: int) -> MaskContext:
    g = torch.Generator().manual_seed(0)
    small = torch.rand(batch, 3, 2 * grid.t, 16 * grid.h, 16 * grid.w, generator=g)
    return MaskContext(
        video=small,
        attention=torch.rand(batch, grid.t, grid.places, generator=g),
        features=torch.rand(batch, grid.tokens, 8, generator=g),
        loss=torch.rand(batch, grid.tokens, generator=g),
    )


def _step(method: Method, batch: int) -> Callable[[], object]:
    clips = torch.rand(batch, 3, 16, 224, 224)
    optimiser = torch.optim.AdamW(method.parameters(), fused=True)

    def step() -> None:
        optimiser.zero_grad()
        method(clips, generator=torch.Generator().manual_seed(0)).loss.backward()
        optimiser.step()

    return step


def _draw(masker: Masker, grid: TokenGrid, batch: int, context: MaskContext) -> Callable[[], object]:
    return lambda: masker(grid, batch, generator=torch.Generator().manual_seed(0), context=context)


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
