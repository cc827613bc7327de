"""The processes of a run, on torch.distributed through accelerate: one, unless torch.distributed.run started more.

What is not a tensor of the model (losses, wishes to stop) goes over a CPU group, so no GPU waits for it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from mvkit.errors import OptionError, RunError


def place() -> tuple[int, int]:
    """(rank, number of processes) of this process; (0, 1) where it is alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


@dataclass(frozen=True)
class Team:
    """rank: of this process, 0 the one that writes. world: how many there are. accelerator: None for one process."""

    rank: int = 0
    world: int = 1
    accelerator: Any = None

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def device(self, chosen: torch.device) -> torch.device:
        """The device of this process, where `chosen` is that of the run: each process has a GPU of its own."""
        return self.accelerator.device if self.accelerator else chosen

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Of each number, the mean over processes."""
        if self.world == 1:
            return dict(values)
        numbers = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.all_reduce(numbers)
        return dict(zip(values, (numbers / self.world).tolist(), strict=True))

    def largest(self, value: int) -> int:
        if self.world == 1:
            return value
        number = torch.tensor(int(value))
        dist.all_reduce(number, op=dist.ReduceOp.MAX)
        return int(number)

    def all(self, value: Any) -> list[Any]:
        """One small object from each process, in the order of ranks."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return found

    def wait(self) -> None:
        """Until all have come here."""
        self.largest(0)

    @contextlib.contextmanager
    def one_by_one(self) -> Iterator[None]:
        """The leader first, for what is written once and then found by the others."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()

    def distributed(self, method: nn.Module) -> nn.Module:
        """What is called in place of the method, so that gradients are averaged over processes."""
        return self.accelerator.prepare_model(method) if self.world > 1 else method

    @contextlib.contextmanager
    def losses_explained(self) -> Iterator[None]:
        """Raises RunError where a collective failed, which is how the death of another process is seen."""
        try:
            yield
        except RuntimeError as err:
            if self.world == 1 or not _from_collective(err):
                raise
            said = str(err).strip().splitlines()[-1]
            raise RunError(
                f"process {self.rank} of {self.world} lost the others: one died or hangs ({said}); the same command "
                "goes on from the last checkpoint"
            ) from err


def open_team(device: str, batch: int, timeout: float) -> Team:
    """The processes that torch.distributed.run started, connected; alone, nothing is done.

    device: of the spec. batch: of a step over all. timeout: seconds until a process that waits gives up.
    Raises OptionError if the batch does not divide over the processes, or there are fewer GPUs than processes.
    """
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_RANK", 0))
    if world == 1:
        return Team()
    if batch % world:
        raise OptionError(
            f"batch={batch} does not divide over {world} processes; use {batch // world * world or world}"
        )
    cpu = torch.device(device).type == "cpu"
    if not cpu and local >= torch.cuda.device_count():
        raise OptionError(f"process {local} has no GPU: torch sees {torch.cuda.device_count()}; start fewer processes")
    # accelerate is slow to import, and one process does not need it.
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    # Both backends: NCCL for the model, gloo for what stays on the CPU.
    group = InitProcessGroupKwargs(backend="gloo" if cpu else None, timeout=timedelta(seconds=timeout))
    accelerator = Accelerator(cpu=cpu, kwargs_handlers=[group])
    return Team(accelerator.process_index, accelerator.num_processes, accelerator)


def _from_collective(err: RuntimeError) -> bool:
    words = str(err).lower()
    return isinstance(err, dist.DistError) or "gloo" in words or "connection closed" in words or "nccl" in words
