"""Action detection as AVA asks for it: fine-tune on boxed keyframes, say what each person does, frame mAP.

`detection` does it whole for one run, on the embedded stories of moving_shapes (what moves where, told by no single
frame) or on AVA's own files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mvkit.checkpoints import load_encoder
from mvkit.data import shapes
from mvkit.data.ava import People, read_people
from mvkit.data.keyframes import Keyframe, Keyframes, Moment, of_tracks
from mvkit.data.manifest import read_manifest
from mvkit.errors import OptionError, unknown
from mvkit.eval.average_precision import Claims, FrameMap, frame_map
from mvkit.eval.detection_spec import DetectionSpec, recipe
from mvkit.eval.detector import finetune_detector, predict
from mvkit.eval.opened import VIEWS
from mvkit.eval.outcome import CHANCE, Outcome, Row, exact
from mvkit.models.classifier import VideoClassifier
from mvkit.models.detector import ActionDetector
from mvkit.models.vit import VideoViT
from mvkit.train.journal import Journal
from mvkit.train.loop import Run
from mvkit.train.source import DATA


@dataclass(frozen=True)
class Detected:
    """outcome: frame mAP of the clips and the controls, and what was left out. scores: what was shown -> the same, in
    full. test: the true boxes. found: moment -> boxes and scores said of the clips. model, journal: of the clips."""

    outcome: Outcome
    spec: DetectionSpec
    scores: Mapping[str, FrameMap]
    test: Keyframes
    found: Mapping[Moment, Claims]
    model: ActionDetector
    journal: Journal


def detection(
    run: Run | str | Path | VideoViT | VideoClassifier,
    train: Keyframes | None = None,
    test: Keyframes | None = None,
    *,
    people: People | Path | str | None = None,
    scored: Collection[str] | None = None,
    spec: DetectionSpec | str = "",
    shown: Sequence[str] = ("clip", "one frame"),
    clips: int = 1024,
    val: int = 512,
    data: Path | str = DATA,
    progress: Callable[[dict[str, Any]], None] | None = None,
    **changes: Any,
) -> Detected:
    """Fine-tune a detector from a run and score it; the same for the control, which sees the keyframe standing still.

    run: of `fit`, the folder of one, an encoder, or a fine-tuned classifier. train, test: keyframes; without them the
    story "all" of moving_shapes, `clips` of which `val` are held out, in folder `data`. people: boxes to judge, a
    detector's csv or `read_people`'s; None takes the true boxes. scored: the classes that count, all if None.
    spec: of `detection_spec.RECIPES`, or its own; changes: fields that differ. shown: of `opened.VIEWS`, each
    fine-tuned by itself, the first is kept. progress: called with each journal line.
    Raises DataError, OptionError, RunError.
    """
    if train is None or test is None:
        if train is not test:
            raise OptionError("give both train and test keyframes, or neither for moving_shapes")
        train, test = embedded(clips, val, data)
        spec = spec or "moving_shapes"
    spec = recipe(spec or "umt_base_ava") if isinstance(spec, str) else spec
    spec = spec.but(**changes)
    if train.classes != test.classes:
        raise OptionError(f"train and test have other classes: {list(train.classes)}, {list(test.classes)}")
    for view in shown:
        if view not in VIEWS:
            raise OptionError(unknown("view", view, VIEWS))
    start, left_out = opened_encoder(run), {}
    for part, keyframes in (("train", train), ("test", test)):
        left_out |= {f"{why} ({part})": list(what) for why, what in keyframes.left_out.items()}
    if isinstance(people, str | Path):
        people, unread = read_people(people)
        left_out |= {f"{why} (people)": list(what) for why, what in unread.items()}
    asked, without = with_people(test, people, spec.least_score)
    left_out |= without
    scores, first = {}, None
    for view in shown:
        model, journal, bad = finetune_detector(spec, start, train, view=VIEWS[view], progress=progress)
        found, unread = predict(model, spec, asked, view=VIEWS[view])
        truth = {k.moment: Claims(k.boxes, k.actions) for k in test if k.moment in found}
        scores[view] = frame_map(truth, found, test.classes, scored=scored, resamples=spec.resamples, seed=spec.seed)
        first = first or (found, model, journal, {**bad, **unread}, truth)
    assert first is not None
    found, model, journal, broken, truth = first
    # Scores that are all the same: what the boxes alone are worth.
    even = {moment: Claims(said.boxes, np.zeros_like(said.classes)) for moment, said in found.items()}
    chance = frame_map(truth, even, test.classes, scored=scored, resamples=0)
    rows = [*_rows(scores), Row({"shown": CHANCE, "class": "all"}, {"frame mAP": chance.mean})]
    left_out |= {
        "keyframes that cannot be read": [f"{moment}: {why}" for moment, why in broken.items()],
        "classes without a true box": list(chance.empty),
    }
    named = {why: what for why, what in left_out.items() if what}
    said = {**spec.model_dump(), "train keyframes": len(train), **chance.counts}
    return Detected(Outcome("detection", tuple(rows), named, said), spec, scores, test, found, model, journal)


def _rows(scores: Mapping[str, FrameMap]) -> Iterator[Row]:
    for view, score in scores.items():
        yield Row({"shown": view, "class": "all"}, {"frame mAP": score.mean})
        for name, value in score.per_class.items():
            if value is not None:
                yield Row({"shown": view, "class": name}, {"frame mAP": exact(value, score.positives[name])})


def opened_encoder(run: Run | str | Path | VideoViT | VideoClassifier) -> VideoViT | VideoClassifier:
    """The encoder of a run, or what is one already."""
    if isinstance(run, Run):
        return run.method.encoder
    return load_encoder(run)[0] if isinstance(run, str | Path) else run


def embedded(clips: int = 1024, val: int = 512, data: Path | str = DATA) -> tuple[Keyframes, Keyframes]:
    """Training and held-out keyframes of the story "all", in the middle of the clips; classes: which way it moves."""
    spec = shapes.ShapesSpec(story="all", clips=clips, val=val)
    manifest = read_manifest(shapes.write(Path(data) / "moving_shapes" / spec.key, spec))
    return of_tracks(manifest.split("train")), of_tracks(manifest.split("val"))


def with_people(test: Keyframes, people: People | None, least: float) -> tuple[Keyframes, dict[str, list[str]]]:
    """The keyframes with the boxes that were found in place of the true ones, and what was left out, named.

    Moments of the same videos where something was found and nothing is true come too, unless they are excluded.
    """
    if people is None:
        return test, {}
    left_out: dict[str, list[str]] = defaultdict(list)
    films = {keyframe.moment[0]: keyframe for keyframe in test}
    asked = {k.moment: k.only(np.zeros(0, int)) for k in test}
    for moment, (boxes, scores) in people.items():
        film, sure = films.get(moment[0]), scores >= least
        if film is None or moment in test.excluded:
            left_out["people on other videos" if film is None else "people on excluded moments"].append(f"{moment}")
            continue
        if not sure.all():
            left_out[f"people below {least:g}"].append(f"{moment}: {(~sure).sum()}")
        actions = np.zeros((int(sure.sum()), len(test.classes)), bool)
        frame = None if film.frame is None else int(moment[1])
        second = moment[1] - film.moment[1] + film.second
        asked[moment] = Keyframe(moment, film.path, boxes[sure], actions, scores[sure], frame, second, film.group)
    if alone := [f"{moment}" for moment in asked if moment not in people]:
        left_out["keyframes where nobody was found"] = alone
    return replace(test, items=tuple(asked.values())), dict(left_out)
