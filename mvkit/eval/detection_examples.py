"""Which keyframes a detector got most right and most wrong, by a rule and not by hand.

The margin of a true box is the score of what it does less that of anything else, in the found box that overlaps it
most; -1 where none overlaps it by half. A found box on nobody counts with its best score below zero. A keyframe is as
good as the worst of its boxes. Of one scene or film only the first is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from mvkit.data.crops import frame_size, resize
from mvkit.data.keyframes import Keyframe
from mvkit.eval.average_precision import Claims, overlaps
from mvkit.eval.detection import Detected


@dataclass(frozen=True, eq=False)
class Example:
    """clip: (T, H, W, 3) uint8, the keyframe at T // 2; all of one size. boxes: (n, 4) that were found. said: (n,) what
    was said of each first, with its score. true: (n,) what is so, "nobody" where no one is. right: (n,). missed: (m, 4)
    true boxes that were not found. margin: -1 to 1."""

    clip: np.ndarray
    boxes: np.ndarray
    said: tuple[str, ...]
    true: tuple[str, ...]
    right: np.ndarray
    missed: np.ndarray
    margin: float

    @property
    def marks(self) -> dict[str, Any]:
        """All but the clip and the margin, as `viz.detections.examples` takes it."""
        return {"boxes": self.boxes, "said": self.said, "true": self.true, "right": self.right, "missed": self.missed}


def examples(done: Detected, count: int = 4) -> tuple[list[Example], list[Example]]:
    """The `count` keyframes of the test with the highest margins, best first, and with the lowest, worst first."""
    judged = {k.moment: _margin(k, done.found[k.moment]) for k in done.test if k.moment in done.found}
    ranked = sorted((k for k in done.test if k.moment in judged), key=lambda k: -judged[k.moment])
    best = list(_of_other_scenes(ranked))[:count]
    worst = list(_of_other_scenes(k for k in reversed(ranked) if k not in best))[:count]
    dataset = done.spec.clips(done.test, done.model.encoder.patch, train=False)
    places = {k.moment: place for place, k in enumerate(done.test)}
    clips = [dataset.clip(places[k.moment])[0] for k in (*best, *worst)]
    told = [
        _example(resize(clip, *frame_size(clips[0])), k, done.found[k.moment], done.test.classes, judged[k.moment])
        for clip, k in zip(clips, (*best, *worst), strict=True)
    ]
    return told[: len(best)], told[len(best) :]


def _of_other_scenes(keyframes: Iterable[Keyframe]) -> Iterable[Keyframe]:
    seen = set()
    for keyframe in keyframes:
        scene = keyframe.group or keyframe.moment
        if scene not in seen:
            seen.add(scene)
            yield keyframe


def _overlaps(keyframe: Keyframe, found: Claims) -> np.ndarray:
    """(found, true), with a last column of a half: nobody."""
    iou = overlaps(found.boxes, keyframe.boxes)
    return np.concatenate([iou, np.full((len(iou), 1), 0.5 - 1e-9)], 1)


def _margin(keyframe: Keyframe, found: Claims) -> float:
    iou, margins = _overlaps(keyframe, found), [1.0]
    for place, done in enumerate(keyframe.actions):
        if not len(iou) or iou[:, place].max() < 0.5:
            margins.append(-1.0)
            continue
        scores = found.classes[iou[:, place].argmax()]
        margins.append(scores[done].max(initial=0.0) - scores[~done].max(initial=0.0))
    nobody = iou.argmax(1) == len(keyframe.boxes)
    margins += (-found.classes[nobody].max(1, initial=0.0)).tolist()
    return float(min(margins))


def _example(clip: Tensor, keyframe: Keyframe, found: Claims, classes: tuple[str, ...], margin: float) -> Example:
    iou = _overlaps(keyframe, found)
    first, of = found.classes.argmax(1), iou.argmax(1)
    actions = np.concatenate([keyframe.actions, np.zeros((1, len(classes)), bool)])
    named = [" and ".join(classes[c] for c in np.flatnonzero(row)) or "nothing" for row in actions[:-1]] + ["nobody"]
    missed = [place for place in range(len(keyframe.boxes)) if not (iou[:, place] >= 0.5).any()]
    said = [f"{classes[c]} {score:.2f}" for c, score in zip(first, found.classes.max(1, initial=0.0), strict=True)]
    return Example(
        clip.permute(0, 2, 3, 1).numpy(),
        found.boxes,
        tuple(said),
        tuple(named[place] for place in of),
        actions[of, first],
        keyframe.boxes[missed],
        margin,
    )
