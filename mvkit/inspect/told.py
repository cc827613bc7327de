"""What a run said of each test clip beside what is so, and which of them to look at, picked by rule and not by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from mvkit.data.manifest import Manifest
from mvkit.errors import DataError
from mvkit.eval.choice import _scores
from mvkit.eval.encoded import encode_clips
from mvkit.eval.features import clip_features, standardise
from mvkit.eval.metrics import accuracy
from mvkit.eval.opened import VIEWS, Opened, read_clips
from mvkit.eval.outcome import Row
from mvkit.eval.qa import _by_kind, _tuned
from mvkit.eval.questions import answer_ids, questions
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


def of_classes(
    encoder: nn.Module, spec: RunSpec, train: Manifest, test: Manifest, label: str, *, strength: float = 0.01
) -> list[Told]:
    """What a linear probe, as in `eval.probe`, says of the clips of `test` that have a label of this set.

    Raises DataError where no clip of `train`, or none of `test`, has one.
    """
    parts = [part.select(np.flatnonzero(part.labels(label) >= 0)) for part in (train, test)]
    if not all(map(len, parts)):
        raise DataError(f"no clip to learn from, or none to test, has a label of '{label}'")
    look: dict[str, Any] = {"frames": spec.frames, "image": spec.image, "stride": spec.stride, "sampling": "first"}
    near, far = (read_clips(part, **look) for part in parts)
    known, unseen = standardise(clip_features(encoder, near.pixels), clip_features(encoder, far.pixels))  # type: ignore[arg-type]
    model = LogisticRegression(C=strength, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(known.numpy(), [sample.labels[label] for sample in near.samples])
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
        _scores(opened.method, seen, [s.choices for s in clips.samples])["both"],
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
    asked, listed, tokenizer = questions(clips.samples), known.answers(), opened.method.tokenizer
    model, _ = _tuned(opened, train, known, listed, tuning, VIEWS["clip"], progress)
    device = next(model.parameters()).device
    candidates = answer_ids(tokenizer, listed, device)
    told = []
    with torch.no_grad():
        tokens = torch.cat([model.encoder(part.to(device).float() / 255).tokens for part in clips.pixels.split(32)])
        for number in range(0, len(asked.asked), 32):
            some = asked.asked[number : number + 32]
            ids, mask = (part.to(device) for part in tokenizer([q.text for q in some]))
            ranked = model.rank(model.text(ids, mask, tokens[[q.place for q in some]]), mask, candidates, top=top)
            for q, order, chances in zip(some, ranked.ids.tolist(), ranked.probabilities.tolist(), strict=True):
                own = sum(chance for i, chance in zip(order, chances, strict=True) if listed[i] in q.answers)
                said, true = listed[order[0]], " or ".join(q.answers)
                scene, clip = clips.samples[q.place].group, _frames(clips.pixels[q.place])
                told.append(Told(clip, q.text, said, true, chances[0], own, said in q.answers, scene))
    correct = torch.tensor([one.right for one in told])
    return told, [
        Row({"shown": "clip", "kind": k}, {"accuracy": accuracy(correct[mine])}) for k, mine in _by_kind(asked)
    ]


def _scenes(told: Iterable[Told]) -> list[Told]:
    """The first of every scene."""
    first: dict[Any, Told] = {}
    for place, one in enumerate(told):
        first.setdefault(one.scene or place, one)
    return list(first.values())


def _frames(clip: Tensor) -> np.ndarray:
    return clip.movedim(0, -1).numpy()
