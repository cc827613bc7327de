"""Clips of a manifest: sampled, read, augmented, each from its own seed; broken files replaced and listed.

What clip `index` looks like in an epoch depends on (seed, epoch, index) alone: not on workers, batch size or what was
read before. A file that cannot be read is replaced by the next one that can, so a run with the same files repeats.
Files are opened for one read and closed again, in whichever process reads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mvkit.data import augment as recipes
from mvkit.data import sampling as rules
from mvkit.data.audit import AuditRecord
from mvkit.data.crops import from_frames
from mvkit.data.manifest import Manifest
from mvkit.data.sample import Sample
from mvkit.data.store import FrameStore, Length, read_sample, sample_length
from mvkit.errors import DataError, OptionError

Key = tuple[int, int]
"""(epoch, place in the manifest)."""


@dataclass(frozen=True)
class Replaced:
    """A sample that could not be read: its place, path and reason, and the place of the one that stands in."""

    index: int
    path: Path
    reason: str
    by: int


@dataclass
class Batch:
    """Clips and what is known of them.

    clips: (B, 3, T, H, W) uint8. labels: label set -> (B,) int64, -1 where unknown. indices: (B,) int64, places in
    the manifest of the clips shown: where a broken file was replaced, that of the stand-in (`replaced` names both).
    step, epoch: counted from 0 over the run.
    """

    clips: Tensor
    labels: dict[str, Tensor]
    indices: Tensor
    captions: list[str] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    step: int = 0
    epoch: int = 0

    def __len__(self) -> int:
        return len(self.clips)

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory; the torch loader calls this when asked to pin."""
        labels = {name: values.pin_memory() for name, values in self.labels.items()}
        return replace(self, clips=self.clips.pin_memory(), labels=labels, indices=self.indices.pin_memory())


class ClipDataset(Dataset):
    """Clips of `frames` frames of size x size pixels.

    manifest: what there is. frames, stride: a clip, in frames of the file. augment: a name of `augment.RECIPES` or a
    callable (clip (T, 3, H, W) uint8, generator) -> clip; it must pickle if workers are used. sampling: a name of
    `sampling.TRAIN` or a callable (length, frames, stride, generator) -> frame numbers. repeats: clips per reading,
    each with its own augmentation, side by side in the batch. cache: None, or "memory" to decode every file once,
    now, and keep all frames as uint8; refused beyond `cache_limit` GiB. reader, audit: as for `read_frames`; records
    of `load_audit` let the fastest exact reader be taken for each file.
    `broken`: path -> reason, of samples that could not be read so far.
    Raises OptionError for unknown names, DataError if no file at all can be read.
    """

    def __init__(
        self,
        manifest: Manifest,
        frames: int = 16,
        stride: int = 4,
        size: int = 224,
        augment: str | recipes.Recipe = "pretrain",
        seed: int = 0,
        *,
        sampling: str | Callable[[int, int, int, np.random.Generator], np.ndarray] = "dense",
        reader: str = "auto",
        audit: Mapping[str, AuditRecord] | None = None,
        repeats: int = 1,
        cache: str | None = None,
        cache_limit: float = 4.0,
    ) -> None:
        if min(frames, stride, size, repeats) < 1 or seed < 0:
            raise OptionError(
                f"frames, stride, size and repeats must be 1 or more and seed 0 or more, got "
                f"{frames}, {stride}, {size}, {repeats} and {seed}"
            )
        if cache not in (None, "memory"):
            raise OptionError(f"cache must be None or 'memory', got {cache!r}")
        self.manifest, self.frames, self.stride, self.size, self.seed = manifest, frames, stride, size, seed
        self.augment = recipes.recipe(augment, size) if isinstance(augment, str) else augment
        if isinstance(sampling, str):
            rules.rule(sampling)  # refused now if unknown; kept by name, since a rule of `TRAIN` does not pickle
        self.sampling = sampling
        self.reader, self.audit, self.repeats = reader, audit, repeats
        self._bad: dict[int, str] = {}  # by place, since two samples may mean two parts of one file
        self._lengths: dict[int, Length] = {}
        self._store: FrameStore | None = None
        if cache == "memory":
            self._store = FrameStore(manifest, reader, cache_limit, self._bad, audit)
            if not len(self._store):
                raise self._all_broken()

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def broken(self) -> dict[Path, str]:
        """Path -> reason of the samples that could not be read so far."""
        return {self.manifest[index].path: reason for index, reason in sorted(self._bad.items())}

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, int]]:
        """Clip (3, T, H, W) uint8 of epoch 0, and its labels."""
        batch = self.batch([(0, range(len(self))[index])])
        return batch.clips[0], {name: int(values[0]) for name, values in batch.labels.items()}

    def __getitems__(self, keys: Sequence[Key]) -> Batch | DataError:
        """A batch, or the error that stopped it: an exception raised in a worker would lose its one-line message."""
        try:
            return self.batch(keys)
        except DataError as err:
            return err

    def batch(self, keys: Sequence[Key]) -> Batch:
        """Clips of these (epoch, index) pairs, in order. Raises DataError if no file of the set can be read."""
        clips, shown, replaced = [], [], []
        for epoch, index in keys:
            frames, by = self._read(epoch, index)
            if by != index:
                replaced.append(Replaced(index, self.manifest[index].path, self._bad[index], by))
            for repeat in range(self.repeats):
                clips.append(self.augment(frames, self._generator(epoch, index, 1 + repeat)).transpose(0, 1))
                shown.append(by)
        samples = [self.manifest[i] for i in shown]
        labels = {
            name: torch.tensor([sample.labels.get(name, -1) for sample in samples])
            for name in self.manifest.label_names
        }
        captions = [sample.caption for sample in samples]
        return Batch(torch.stack(clips), labels, torch.tensor(shown), captions, replaced)

    def note(self, replaced: Sequence[Replaced]) -> None:
        """Take over what a worker found broken."""
        for item in replaced:
            self._bad.setdefault(item.index, item.reason)

    def _generator(self, epoch: int, index: int, part: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, epoch, index, part))

    def _read(self, epoch: int, index: int) -> tuple[Tensor, int]:
        """Frames (T, 3, H, W) of this sample, or of the next one that can be read, and whose they are."""
        for step in range(len(self)):
            other = (index + step) % len(self)
            if other in self._bad:
                continue
            try:
                return self._frames(other, self.manifest[other], self._generator(epoch, index, 0)), other
            except DataError as err:
                self._bad[other] = str(err)
        raise self._all_broken()

    def _frames(self, index: int, sample: Sample, generator: np.random.Generator) -> Tensor:
        pick = rules.rule(self.sampling) if isinstance(self.sampling, str) else self.sampling
        if self._store is not None:
            picked = pick(self._store.length(index), self.frames, self.stride, generator)
            return self._store.frames(index, picked)
        if index not in self._lengths:
            self._lengths[index] = sample_length(sample)
        length = self._lengths[index]
        picked = length.first + pick(length.frames, self.frames, self.stride, generator)
        return from_frames(read_sample(sample, picked, self.reader, self.audit))

    def _all_broken(self) -> DataError:
        path, reason = next(iter(self.broken.items()))
        source = self.manifest.source or "the manifest"
        return DataError(
            f"none of the {len(self)} samples of {source} can be read; the first, {path}: {reason} "
            f"(check the root the paths start from: {self.manifest.root})"
        )

    def __repr__(self) -> str:
        return (
            f"ClipDataset({len(self)} clips of {self.frames}x{self.size}x{self.size}, stride {self.stride}, "
            f"augment={self.augment!r}, seed={self.seed}, broken={len(self.broken)})"
        )
