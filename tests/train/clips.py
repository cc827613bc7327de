"""Clips made in memory, the same at the same step, for the tests of this folder."""

from types import SimpleNamespace

import torch


def source(first: int):
    step = first
    while True:
        clips = torch.randint(0, 255, (4, 3, 4, 16, 16), generator=torch.Generator().manual_seed(step)).to(torch.uint8)
        yield SimpleNamespace(clips=clips, indices=torch.arange(4), replaced=[])
        step += 1


def losses(run) -> list[float]:
    return run.journal.column("loss")[1]
