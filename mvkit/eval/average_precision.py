"""Average precision, and frame mAP at an overlap of 0.5: the AVA protocol.

In each frame and class the surest claim on a true box is right, every other claim is wrong; a claim is made on the true
box it overlaps most, even where another one is still free. Precision over recall is made falling and summed at all
points (PASCAL VOC 2010). Differs: claims of equal score enter together, so their order cannot matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torchvision.ops import box_iou

from mvkit.errors import OptionError, ShapeError, unknown
from mvkit.eval.metrics import Accuracy


class Claims(NamedTuple):
    """Boxes of a frame, shares or pixels, (n, 4), and (n, classes): scores, NaN where nothing is claimed; of the truth,
    whether it is so."""

    boxes: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class FrameMap:
    """mean: of the classes' average precisions, 0 to 1, with its bootstrap interval over frames. per_class: name ->
    average precision, None where nothing is true; those are in `empty` and not in the mean. positives: true boxes by
    class. counts: frames, true boxes, found boxes; frames without a find (all of it missed) or a true box (all false).
    """

    mean: Accuracy
    per_class: dict[str, float | None]
    positives: dict[str, int]
    counts: dict[str, int]

    @property
    def empty(self) -> tuple[str, ...]:
        """Names of the classes without a true box."""
        return tuple(name for name, value in self.per_class.items() if value is None)

    def __str__(self) -> str:
        scored = len(self.per_class) - len(self.empty)
        return f"frame mAP {self.mean}, {scored} classes, {self.counts['true boxes']} boxes"


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, 4), (m, 4) -> (n, m) intersection over union, float64."""
    first, second = (torch.from_numpy(np.array(part, float, order="C")) for part in (boxes, others))
    return box_iou(first, second).numpy()


def average_precision(scores: np.ndarray, right: np.ndarray, positives: int) -> float:
    """scores, right: (m,) -> the area under precision made falling over recall, 0 to 1; nan without positives."""
    if not positives:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=np.inf) != 0)  # the ends of runs of equal scores
    hits = right[order].cumsum()[last]
    falling = np.maximum.accumulate((hits / (last + 1))[::-1])[::-1]
    return float((falling * np.diff(hits, prepend=0)).sum() / positives)


def frame_map(
    truth: Mapping[Any, Claims],
    found: Mapping[Any, Claims],
    names: Sequence[str],
    *,
    overlap: float = 0.5,
    scored: Collection[str] | None = None,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> FrameMap:
    """Frame mAP of what was found, by frame. Leave frames of the exclusion list out of both.

    names: of the classes. scored: those that count, AVA's 60 of 80; None is all. A frame of only one of the two is a
    miss, or false. resamples: copies for the interval, each as dear as the value; with 0 the interval is that point.
    Raises ShapeError, OptionError for an unknown class or numbers out of range, or nothing true at all.
    """
    if not 0 < overlap <= 1 or not 0 < level < 1 or resamples < 0:
        raise OptionError(f"overlap and level lie in 0..1, resamples at 0 or more; got {overlap}, {level}, {resamples}")
    for name in scored or ():
        if name not in names:
            raise OptionError(unknown("class", name, names))
    kept = [c for c, name in enumerate(names) if scored is None or name in scored]
    nothing = Claims(np.zeros((0, 4)), np.zeros((0, len(names))))
    judged = _Judged()
    for moment in dict.fromkeys([*truth, *found]):
        there, said = truth.get(moment, nothing), found.get(moment, nothing)
        for what, (boxes, classes) in (("true boxes", there), ("found boxes", said)):
            if boxes.shape != (len(classes), 4) or classes.shape[1:] != (len(names),) or not np.isfinite(boxes).all():
                raise ShapeError(
                    f"{what} of {moment}: wanted finite (n, 4) and (n, {len(names)}), got {boxes.shape} and "
                    f"{classes.shape}"
                )
        judged.add(Claims(there.boxes, there.classes[:, kept] > 0), Claims(said.boxes, said.classes[:, kept]), overlap)
    if not any(true.any() for true in judged.truths):
        raise OptionError("no true box of a class that counts: there is nothing to find")
    every = np.arange(len(judged.truths))
    values, draws = judged.precisions(every), np.random.default_rng(seed)
    copies = [_mean(judged.precisions(draws.integers(len(every), size=len(every)))) for _ in range(resamples)]
    low, high = np.nanquantile(copies or [_mean(values)], [(1 - level) / 2, (1 + level) / 2])
    chosen = [names[c] for c in kept]
    return FrameMap(
        Accuracy(_mean(values), float(low), float(high), len(every), level),
        {name: None if np.isnan(value) else float(value) for name, value in zip(chosen, values, strict=True)},
        dict(zip(chosen, np.sum(judged.truths, axis=0).tolist(), strict=True)),
        judged.counts,
    )


@dataclass
class _Judged:
    """Frame by frame: how many boxes are true of each class (classes,), scores and whether they are right, both
    (n, classes), and how many boxes there are and were found."""

    truths: list[np.ndarray] = field(default_factory=list)
    scores: list[np.ndarray] = field(default_factory=list)
    rights: list[np.ndarray] = field(default_factory=list)
    boxes: list[tuple[int, int]] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        return {
            "frames": len(self.boxes),
            "true boxes": sum(there for there, _ in self.boxes),
            "found boxes": sum(found for _, found in self.boxes),
            "frames without a find": sum(there > 0 and not found for there, found in self.boxes),
            "frames without a true box": sum(found > 0 and not there for there, found in self.boxes),
        }

    def add(self, truth: Claims, found: Claims, overlap: float) -> None:
        scores = found.classes.astype(float)
        right = np.zeros(scores.shape, bool)
        iou = overlaps(found.boxes, truth.boxes)
        for c in np.flatnonzero(truth.classes.any(0)) if len(scores) else ():
            near = iou[:, truth.classes[:, c]]
            order = np.argsort(-scores[:, c], kind="stable")
            order = order[(near[order].max(1) >= overlap) & ~np.isnan(scores[order, c])]
            _, first = np.unique(near[order].argmax(1), return_index=True)
            right[order[first], c] = True
        self.truths.append(truth.classes.sum(0))
        self.scores.append(scores)
        self.rights.append(right)
        self.boxes.append((len(truth.boxes), len(scores)))

    def precisions(self, frames: np.ndarray) -> np.ndarray:
        """(classes,) of these frames, each as often as it is named; nan where nothing is true."""
        scores, rights = (np.concatenate([part[i] for i in frames]) for part in (self.scores, self.rights))
        positives, values = np.sum([self.truths[i] for i in frames], axis=0), []
        for c, count in enumerate(positives):
            said = ~np.isnan(scores[:, c])
            values.append(average_precision(scores[said, c], rights[said, c], int(count)))
        return np.array(values)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")  # a copy of frames may hold nothing true
