"""What a run said of each test clip beside what is so, and which of them to look at, picked by rule and not by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mvkit.data.manifest import Manifest
from mvkit.errors import DataError
from mvkit.eval.choice import choice_scores
from mvkit.eval.encoded import encode_clips
from mvkit.eval.features import clip_features
from mvkit.eval.opened import VIEWS, Opened, read_clips
from mvkit.eval.outcome import Row
from mvkit.eval.probe import fit_probe
from mvkit.eval.qa import answered, rows_by_kind, tuned_to_answer
from mvkit.eval.questions import questions
from mvkit.eval.tuning import TuneSpec
from mvkit.train.spec import RunSpec


@dataclass(frozen=True, eq=False)
class Told:
    """One question. clip: (T, H, W, 3) uint8. asked: "" where it is always the same. said, true: in words. sure, own:
    scores of the two, 0 to 1. scene: equal for clips that look alike, "" for one of its own."""

    clip: np.ndarray
    asked: str
    said: str
    true: str
    sure: float
    own: float
    right: bool
    scene: str = ""


def picked(told: Sequence[Told], count: int = 2) -> dict[str, list[Told]]:
    """Rule -> at most `count` of them, of one scene only the first; a rule that none fits is left out.

    "median" is the one whose true answer has the median score; of the others, `sure` decides.
    """
    right, wrong = ([one for one in told if one.right is kind] for kind in (True, False))
    by_own = sorted(told, key=lambda one: one.own)
    middle = (len(by_own) - 1) // 2
    found = {
        "surest correct": _scenes(sorted(right, key=lambda one: -one.sure))[:count],
        "median": by_own[middle : middle + 1],
        "least sure correct": _scenes(sorted(right, key=lambda one: one.sure))[:count],
        "surest wrong": _scenes(sorted(wrong, key=lambda one: -one.sure))[:count],
    }
    return {rule: some for rule, some in found.items() if some}


def of_classes(encoder: nn.Module, spec: RunSpec, train: Manifest, test: Manifest, label: str) -> list[Told]:
    """What a linear probe, as in `eval.probe`, says of the clips of `test` that have a label of this set.

    Raises DataError where no clip of `train`, or none of `test`, has one.
    """
    parts = [part.select(np.flatnonzero(part.labels(label) >= 0)) for part in (train, test)]
    if not all(map(len, parts)):
        raise DataError(f"no clip to learn from, or none to test, has a label of '{label}'")
    look: dict[str, Any] = {"frames": spec.frames, "image": spec.image, "stride": spec.stride, "sampling": "first"}
    near, far = (read_clips(part, **look) for part in parts)
    known, unseen = (clip_features(encoder, part.pixels) for part in (near, far))  # type: ignore[arg-type]
    model, unseen = fit_probe(known, torch.tensor([sample.labels[label] for sample in near.samples]), unseen)
    chances, classes = model.predict_proba(unseen.numpy()), model.classes_.tolist()
    names = test.classes.get(label, ())
    told = []
    for clip, sample, row in zip(far.pixels, far.samples, chances, strict=True):
        first, true = classes[int(row.argmax())], sample.labels[label]
        own = float(row[classes.index(true)]) if true in classes else 0.0
        said, so = (names[k] if k < len(names) else str(k) for k in (first, true))
        told.append(Told(_frames(clip), "", said, so, float(row.max()), own, first == true, sample.group))
    return told


def of_choices(opened: Opened, split: str, *, frames: int = 0) -> list[Told]:
    """Which caption is chosen for every clip of a split that has some; scores: both heads, as published."""
    asked = opened.manifest.split(split)
    asked = asked.select([i for i, sample in enumerate(asked) if sample.choice is not None and len(sample.choices) > 1])
    clips = read_clips(asked, frames=frames or opened.spec.frames, image=opened.spec.image)
    seen = encode_clips(opened.method, clips.pixels, VIEWS["clip"])
    told = []
    for row, clip, sample in zip(
        choice_scores(opened.method, seen, [s.choices for s in clips.samples])["both"],
        clips.pixels,
        clips.samples,
        strict=True,
    ):
        scores, true = row[: len(sample.choices)], int(sample.choice or 0)
        # Of equal scores the wrong ones come first, as where they are counted.
        first = max(range(len(scores)), key=lambda k, own=scores, so=true: (float(own[k]), k != so))
        words, sure = sample.choices, float(scores[first])
        told.append(
            Told(_frames(clip), "", words[first], words[true], sure, float(scores[true]), first == true, sample.group)
        )
    return told


def of_questions(
    opened: Opened,
    tuning: TuneSpec,
    *,
    train: str,
    split: str,
    top: int,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[list[Told], list[Row]]:
    """What a model, fine-tuned on whole clips as in `eval.qa`, answers; and its rows of the table, as `qa` has them."""
    known, asked_of = questions(opened.manifest.split(train)), opened.manifest.split(split)
    asked_of = asked_of.select([place for place, sample in enumerate(asked_of) if sample.qa])
    clips = read_clips(asked_of, frames=tuning.frames or opened.spec.frames, image=opened.spec.image)
    asked, listed = questions(clips.samples), known.answers()
    model, _ = tuned_to_answer(opened, train, known, listed, tuning, VIEWS["clip"], progress)
    told = []
    for q, ranked in zip(
        asked.asked, answered(model, opened.method.tokenizer, clips, asked, listed, top=top), strict=True
    ):
        (said, sure), own = ranked[0], sum(chance for answer, chance in ranked if answer in q.answers)
        scene, clip = clips.samples[q.place].group, _frames(clips.pixels[q.place])
        told.append(Told(clip, q.text, said, " or ".join(q.answers), sure, own, said in q.answers, scene))
    return told, rows_by_kind("clip", asked, [one.right for one in told])


def _scenes(told: Iterable[Told]) -> list[Told]:
    """The first of every scene."""
    first: dict[Any, Told] = {}
    for place, one in enumerate(told):
        first.setdefault(one.scene or place, one)
    return list(first.values())


def _frames(clip: Tensor) -> np.ndarray:
    return clip.movedim(0, -1).numpy()
