"""Multi-view testing: several clips and crops of every video, the mean of their softmax, top-1 and top-5."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from mvkit.data import views as rules
from mvkit.data.augment import spatial_views
from mvkit.data.crops import from_frames
from mvkit.data.manifest import Manifest
from mvkit.data.sample import Sample
from mvkit.data.store import read_sample, sample_length
from mvkit.errors import DataError, OptionError, unknown
from mvkit.eval.metrics import Accuracies, accuracies
from mvkit.train.precision import autocast, choose_precision

RULES: dict[str, Callable[[Views, int], list[np.ndarray]]] = {
    "strided": lambda v, length: rules.strided_views(length, v.frames, v.stride, v.clips),
    "interleaved": lambda v, length: rules.interleaved_views(length, v.frames, v.clips),
    "centre": lambda v, length: rules.centre_views(length, v.frames, v.clips),
    "sparse": lambda v, length: rules.sparse_views(length, v.frames, v.clips),
}
"""How the clips of a video are taken, see `data.views`: VideoMAE, MVD and AMD on K400; VideoMAE, AMD and UMT on SSv2;
MVD on SSv2; UMT on Kinetics and MiT."""


@dataclass(frozen=True)
class Views:
    """`clips` x `crops` views of a video, of `frames` frames (`stride` apart in "strided") and `size` pixels.

    The papers: 5 x 3 on K400, 2 x 3 on SSv2; UMT 4 x 3 on Kinetics. Frames are resized without antialiasing and
    cropped along the long side, as the released tests do. Raises OptionError for an unknown rule or a count below 1.
    """

    rule: str = "strided"
    clips: int = 5
    crops: int = 3
    frames: int = 16
    stride: int = 4
    size: int = 224

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise OptionError(unknown("test view rule", self.rule, RULES))
        if min(self.clips, self.crops, self.frames, self.stride, self.size) < 1:
            raise OptionError(f"views want counts of at least 1, got {self}")

    def read(self, sample: Sample, reader: str = "auto") -> Tensor:
        """All views of a sample: (clips * crops, 3, T, size, size) uint8, clip by clip. Raises DataError."""
        length = sample_length(sample)
        picked = length.first + np.concatenate(RULES[self.rule](self, length.frames))
        frames = from_frames(read_sample(sample, picked, reader))
        crops = torch.stack(spatial_views(frames, self.size, self.crops))
        return rearrange(crops, "k (c t) rgb h w -> (c k) rgb t h w", c=self.clips)


@dataclass(frozen=True)
class Tested:
    """probabilities: (n, classes) float64, the mean softmax of each video. labels: (n,). indices: (n,) places in the
    manifest. broken: path -> reason of the videos that could not be read and are not in the numbers.
    """

    result: Accuracies
    probabilities: Tensor
    labels: Tensor
    indices: Tensor
    broken: dict[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.result}{f', {len(self.broken)} could not be read' if self.broken else ''}"


def score_views(
    model: nn.Module,
    manifest: Manifest,
    views: Views,
    *,
    label: str = "label",
    batch: int = 16,
    precision: str = "auto",
    reader: str = "auto",
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Tested:
    """Top-1 and top-5 of a classifier (clips in [0, 1] -> logits) over the videos of a manifest, with intervals.

    Videos without this label are left out. batch: views in a forward pass. workers: threads that read ahead, 0 for
    none. progress: called with (videos done, videos in all).
    Raises DataError if no video can be read, OptionError for an unknown label set.
    """
    device = next(model.parameters()).device
    precision = choose_precision(precision, device)
    places = np.flatnonzero(manifest.labels(label) >= 0)
    found: dict[int, Tensor] = {}
    broken: dict[Path, str] = {}

    def read(place: int) -> Tensor | DataError:
        try:
            return views.read(manifest[place], reader)
        except DataError as err:
            return err

    model.eval()
    with torch.inference_mode():
        for done, (place, clips) in enumerate(zip(places, _ahead(read, places, workers), strict=True), start=1):
            if isinstance(clips, DataError):
                broken[manifest[place].path] = str(clips)
            else:
                with autocast(precision, device):
                    logits = torch.cat([model(part.to(device).float() / 255) for part in clips.split(batch)])
                found[int(place)] = logits.double().softmax(1).mean(0).cpu()
            if progress:
                progress(done, len(places))
    if not found:
        why = next(iter(broken.values()), "none has a label")
        raise DataError(f"none of the {len(manifest)} videos can be tested on '{label}'; the first: {why}")
    indices, probabilities = torch.tensor(list(found)), torch.stack(list(found.values()))
    labels = torch.from_numpy(manifest.labels(label))[indices]
    return Tested(accuracies(probabilities, labels), probabilities, labels, indices, broken)


def _ahead(
    read: Callable[[int], Tensor | DataError], places: Iterable[int], workers: int
) -> Iterator[Tensor | DataError]:
    """What `read` gives for each place, in order, read in `workers` threads and at most twice as many ahead."""
    if not workers:
        yield from map(read, places)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque()
        for place in places:
            waiting.append(pool.submit(read, place))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
