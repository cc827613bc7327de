"""Keyframes: moments of videos with boxes and what those in them do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mvkit.data.crops import from_frames
from mvkit.data.manifest import Manifest
from mvkit.data.sample import Sample
from mvkit.data.store import read_sample, sample_length
from mvkit.errors import DataError

Moment = tuple[str, float]
"""The name of a video, and a second or the number of a frame."""


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A moment of a video. boxes: (n, 4) shares of the frame. actions: (n, classes) bool. scores: (n,) how sure it is
    that something is there, 1 where people drew the boxes. frame: its number in the file; None means `second`."""

    moment: Moment
    path: Path
    boxes: np.ndarray
    actions: np.ndarray
    scores: np.ndarray
    frame: int | None = None
    second: float = 0.0
    group: str = ""

    def only(self, places: np.ndarray) -> Keyframe:
        """The same moment with some of its boxes."""
        boxes, actions, scores = self.boxes[places], self.actions[places], self.scores[places]
        return replace(self, boxes=boxes, actions=actions, scores=scores)

    def read(self, frames: int, stride: int, reader: str = "auto") -> Tensor:
        """(frames, 3, H, W) uint8 around the moment, the file's first or last frame repeated beyond its ends; the
        moment is at number frames // 2. Raises DataError."""
        sample = Sample(self.path)
        length, at = sample_length(sample).frames, self.frame
        if at is None:
            from mvkit.data.probe import probe

            at = round(self.second * float(probe(self.path).fps))
        if not 0 <= at < length:
            raise DataError(f"{self.path}: no frame {at} in it for {self.moment}; it has {length} (is offset= right?)")
        steps = stride * (np.arange(frames) - frames // 2)
        return from_frames(read_sample(sample, (at + steps).clip(0, length - 1), reader))


@dataclass(frozen=True)
class Keyframes(Sequence[Keyframe]):
    """Keyframes in the order of their list, and the names of the actions, a column of `actions` each.

    left_out: why -> what, in words; boxes under `cut` are used, but for what lies outside the frame. excluded: moments
    that the protocol does not score, in none of `items`.
    """

    items: tuple[Keyframe, ...]
    classes: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    excluded: Collection[Moment] = frozenset()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Keyframe]:
        return iter(self.items)

    def __getitem__(self, index: Any) -> Any:
        """A keyframe for a whole number; fewer keyframes for a slice."""
        return replace(self, items=self.items[index]) if isinstance(index, slice) else self.items[index]

    @property
    def counts(self) -> dict[str, int]:
        """Why -> how many were left out or cut."""
        return {why: len(what) for why, what in self.left_out.items()}


def of_tracks(manifest: Manifest, label: str = "motion", at: float = 0.5) -> Keyframes:
    """A keyframe for each sample that has tracks; the boxes are theirs at a share of the file, 0 to 1.

    Raises DataError where no sample has tracks with this label.
    """
    names, found, without = manifest.classes.get(label, ()), [], []
    for sample in manifest:
        tracks = [track for track in sample.tracks if label in track.labels]
        if not tracks:
            without.append(str(sample.path))
            continue
        frame = min(int(at * len(tracks[0].boxes)), len(tracks[0].boxes) - 1)
        boxes = np.array([track.boxes[frame] for track in tracks])
        actions = np.arange(len(names)) == np.array([[track.labels[label][frame]] for track in tracks])
        moment = (sample.path.stem, float(frame))
        found.append(Keyframe(moment, sample.path, boxes, actions, np.ones(len(boxes)), frame, group=sample.group))
    if not found or not names:
        raise DataError(f"{manifest.source}: no tracks with named classes of '{label}'; of moving_shapes: story='all'")
    return Keyframes(tuple(found), names, {"no tracks": tuple(without)} if without else {})
