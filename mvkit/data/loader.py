"""Batches in an order that depends on (seed, epoch) alone, from any step on, with or without workers.

A run cut at step k and continued with `start_step=k` sees the same batches bit for bit. Workers start from a clean
process, not as copies of this one: a fork can inherit a lock that another thread of PyAV, decord or OpenMP holds, and
then waits for ever. What still hangs ends in an error after `timeout` seconds.
"""

import multiprocessing
import sys
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from itertools import count
from time import monotonic
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from mvkit.data.dataset import Batch, ClipDataset, Key
from mvkit.errors import DataError, OptionError

# Seconds between looks at the workers. They are no children of this process, so nothing else tells of their death.
_POLL = 2.0


@dataclass
class ClipLoader:
    """Iterates over `Batch`es of `batch` clips, from a step of a run on; one epoch unless asked otherwise.

    seed: of the order (the dataset's own seed is that of the draws). epoch, start_step: where to begin; start_step is
    counted from the beginning of `epoch` and may be larger than an epoch. epochs: how many epochs from `epoch` on,
    None for no end. drop_last: leave out an incomplete last batch. rank, world: this process out of how many; a step
    then takes batch * world clips. grouped: clips that differ only in what their captions say
    (`Sample.group`) come one after the other. workers: reading processes, 0 for none. timeout:
    seconds to wait for a batch. pin: page-locked memory. Raises OptionError for values out of range; while running,
    DataError (see `ClipDataset`).
    """

    dataset: ClipDataset
    batch: int
    _: KW_ONLY
    seed: int = 0
    epoch: int = 0
    start_step: int = 0
    epochs: int | None = 1
    shuffle: bool = True
    grouped: bool = False
    drop_last: bool = True
    rank: int = 0
    world: int = 1
    workers: int = 0
    timeout: float = 120.0
    pin: bool = False

    def __post_init__(self) -> None:
        counts = (self.seed, self.epoch, self.start_step, self.workers, self.rank)
        if min(self.batch, self.world) < 1 or min(counts) < 0 or self.rank >= self.world or self.timeout <= 0:
            raise OptionError(
                f"batch and world must be 1 or more, seed, epoch, start_step and workers 0 or more, rank below world, "
                f"timeout above 0; got {self}"
            )
        clips, step = len(self.dataset), self.batch * self.world
        if self.steps_per_epoch == 0:
            raise OptionError(
                f"{clips} clips do not fill one step of {step}; "
                f"use batch={max(clips // self.world, 1)} or drop_last=False"
            )
        if not self.drop_last and clips % step % self.world:
            raise OptionError(
                f"the last step of {clips} clips does not divide over {self.world} processes; "
                f"use drop_last=True or a set whose size is a multiple of {self.world}"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one epoch, on every rank."""
        return steps_per_epoch(len(self.dataset), self.batch * self.world, self.drop_last)

    def __len__(self) -> int:
        if self.epochs is None:
            raise OptionError("a loader with epochs=None has no length; count its steps")
        return len(self._steps())

    def keys(self, step: int) -> list[Key]:
        """The (epoch, index) pairs of this rank's batch at a step, counted from 0 over the run."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch)).permutation(len(order))
        if self.grouped:
            order = side_by_side(order, self._groups)
        begin = place * self.batch * self.world
        share = order[begin : begin + self.batch * self.world][self.rank :: self.world]
        return [(epoch, int(index)) for index in share]

    @cached_property
    def _groups(self) -> list[Hashable]:
        """Of each clip; one without a group is one of its own."""
        return [sample.group or place for place, sample in enumerate(self.dataset.manifest)]

    def __iter__(self) -> Iterator[Batch]:
        batches = iter(self._torch_loader())
        for step in self._steps():
            batch = self._next(batches, step)
            if isinstance(batch, DataError):
                raise batch
            batch.step, batch.epoch = step, step // self.steps_per_epoch
            self.dataset.note(batch.replaced)
            yield batch

    def _steps(self) -> Any:
        """Numbers of the steps to come, counted over the run: a range, or a count without end."""
        first = self.epoch * self.steps_per_epoch + self.start_step
        if self.epochs is None:
            return count(first)
        return range(first, (self.epoch + self.epochs) * self.steps_per_epoch)

    def _next(self, batches: Iterator[Any], step: int) -> Any:
        """The next batch of the torch loader, asked again every few seconds until `timeout` is over."""
        began = monotonic()
        while True:
            try:
                return next(batches)
            except RuntimeError as err:
                if not self.workers or "DataLoader" not in str(err):
                    raise
                if "timed out" not in str(err):
                    why = "a loader worker died (out of memory? in a script, start it under if __name__ == '__main__')"
                elif monotonic() - began >= self.timeout:
                    why = f"no batch within {self.timeout:g} s: a reader hangs, or timeout= is too short"
                else:
                    continue
                paths = [str(self.dataset.manifest[index].path) for _, index in self.keys(step)]
                shown = ", ".join(paths[:4]) + (" ..." if len(paths) > 4 else "")
                raise DataError(f"step {step}: {why}; its files: {shown}; try workers=0 to see which") from err

    def _torch_loader(self) -> DataLoader:
        options = {}
        if self.workers:
            # Windows and macOS have no fork server worth the name; spawn is the same, only slower to start.
            method = "forkserver" if sys.platform == "linux" else "spawn"
            context = multiprocessing.get_context(method)
            if method == "forkserver":
                context.set_forkserver_preload(["mvkit.data.loader"])  # torch is imported once, not per worker
            options = {
                "multiprocessing_context": context,
                "timeout": min(self.timeout, _POLL),
                "worker_init_fn": _one_thread,
            }
        return DataLoader(
            self.dataset,
            batch_sampler=map(self.keys, self._steps()),  # type: ignore[arg-type]
            collate_fn=_as_it_is,
            num_workers=self.workers,
            pin_memory=self.pin,
            **options,
        )


clip_loader = ClipLoader
"""Called like a function, it reads as one."""


def side_by_side(order: Iterable[int], groups: Sequence[Hashable]) -> list[int]:
    """The same items, all those of a group at the place of its first one; groups: of each item."""
    order, first = list(order), {}
    for rank, item in enumerate(order):
        first.setdefault(groups[item], rank)
    return sorted(order, key=lambda item: first[groups[item]])


def steps_per_epoch(clips: int, step: int, drop_last: bool = True) -> int:
    """How many steps of `step` clips an epoch over `clips` clips has."""
    return clips // step if drop_last else -(-clips // step)


def _as_it_is(batch: Any) -> Any:
    # The data set has made the batch already, see ClipDataset.__getitems__.
    return batch


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
