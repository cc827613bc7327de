"""Batches of labelled clips for a fine-tuning, from a manifest or from tensors; the same for the same spec.

Order and augmentation of a clip depend on the seed, the epoch and its place alone, in both alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mvkit.data.dataset import ClipDataset
from mvkit.data.loader import ClipLoader, clip_loader
from mvkit.data.manifest import Manifest
from mvkit.errors import DataError, OptionError, ShapeError
from mvkit.eval.spec import FinetuneSpec
from mvkit.train.seed import derive


@dataclass(frozen=True)
class FromManifest:
    """Iterates over (clips (B, 3, T, H, W) uint8, labels (B,)) of all epochs; B counts the copies."""

    loader: ClipLoader
    label: str
    classes: int

    @property
    def steps_per_epoch(self) -> int:
        return self.loader.steps_per_epoch

    @property
    def broken(self) -> dict[Path, str]:
        """Path -> reason of the clips that could not be read so far."""
        return self.loader.dataset.broken

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in self.loader:
            yield batch.clips, batch.labels[self.label]


@dataclass(frozen=True)
class FromMemory:
    """As `FromManifest`, of clips that are in memory whole."""

    spec: FinetuneSpec
    clips: Tensor
    labels: Tensor
    classes: int

    @property
    def steps_per_epoch(self) -> int:
        return len(self.clips) // self.spec.batch

    @property
    def broken(self) -> dict[Path, str]:
        return {}

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        spec, augment = self.spec, self.spec.recipe
        order_seed, clip_seed = _order_seed(spec), _clip_seed(spec)
        for epoch in range(spec.epochs):
            order = np.random.default_rng((order_seed, epoch)).permutation(len(self.clips))
            for ids in order[: self.steps_per_epoch * spec.batch].reshape(-1, spec.batch):
                shown = [
                    augment(self.clips[i].transpose(0, 1), np.random.default_rng((clip_seed, epoch, i, 1 + copy)))
                    for i in ids
                    for copy in range(spec.repeats)
                ]
                labels = self.labels[torch.from_numpy(ids)].repeat_interleave(spec.repeats)
                yield torch.stack([clip.transpose(0, 1) for clip in shown]), labels


def open_labelled(
    spec: FinetuneSpec, train: Manifest | tuple[Tensor, Tensor], classes: int | None = None
) -> FromManifest | FromMemory:
    """The training batches of a spec; samples of a manifest without spec.label are left out.

    train: a manifest, or clips (n, 3, T, H, W) uint8 and labels (n,), 0 or more. classes: how many; by default as many
    as the manifest names, or one more than the highest label.
    Raises OptionError where clips do not fill a batch or a label lies beyond `classes`, ShapeError for tensors of other
    sizes, DataError without labels.
    """
    if isinstance(train, Manifest):
        places = np.flatnonzero(train.labels(spec.label) >= 0)
        if not len(places):
            raise DataError(f"no sample of {train.source or 'the manifest'} has a label of '{spec.label}'")
        dataset = ClipDataset(
            train.select(places.tolist()),
            frames=spec.frames,
            stride=spec.stride,
            size=spec.image,
            augment=spec.recipe,
            sampling=spec.sampling,
            seed=_clip_seed(spec),
            repeats=spec.repeats,
            cache="memory" if spec.cache else None,
        )
        loader = clip_loader(dataset, spec.batch, seed=_order_seed(spec), epochs=spec.epochs, workers=spec.workers)
        highest = int(train.labels(spec.label).max())
        return FromManifest(loader, spec.label, _classes(classes or train.num_classes(spec.label), highest))
    clips, labels = train
    if clips.ndim != 5 or clips.shape[2] != spec.frames or labels.shape != clips.shape[:1] or bool((labels < 0).any()):
        raise ShapeError(
            f"fine-tuning wants clips (n, 3, {spec.frames}, H, W) and labels (n,) of 0 or more, "
            f"got {tuple(clips.shape)} and {tuple(labels.shape)}; leave clips without a label out"
        )
    if len(clips) < spec.batch:
        raise OptionError(f"{len(clips)} clips do not fill one step of {spec.batch}; use batch={max(len(clips), 1)}")
    highest = int(labels.max())
    return FromMemory(spec, clips, labels, _classes(classes or highest + 1, highest))


def _classes(classes: int, highest: int) -> int:
    if highest >= classes:
        raise OptionError(f"label {highest} does not fit {classes} classes; pass classes={highest + 1} or more")
    return classes


def _order_seed(spec: FinetuneSpec) -> int:
    return derive(spec.seed, "finetune order") >> 32


def _clip_seed(spec: FinetuneSpec) -> int:
    return derive(spec.seed, "finetune clips") >> 32
