"""Classification of a run's own clips or of another set: neighbours, probes and fine-tuning, with all labels or few.

The published way, with a recipe and several views of each video, is `finetune` and `score_views`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mvkit import checkpoints
from mvkit.data.manifest import Manifest
from mvkit.errors import DataError, OptionError, unknown
from mvkit.eval.attentive import attentive_predict
from mvkit.eval.features import clip_features, clip_tokens
from mvkit.eval.finetune import finetune_predict
from mvkit.eval.knn import knn_predict
from mvkit.eval.metrics import accuracy
from mvkit.eval.multilabel import mean_average_precision, probe_scores, track_labels
from mvkit.eval.opened import VIEWS, opened_manifest, read_clips, read_spec, settings
from mvkit.eval.outcome import CHANCE, Outcome, Row, exact
from mvkit.eval.probe import probe_predict
from mvkit.eval.scorecard import MEASURES
from mvkit.models.vit import VideoViT
from mvkit.train.loop import Run
from mvkit.train.precision import choose_device
from mvkit.train.seed import derive

Tell = Callable[[Row], None]


@dataclass(frozen=True)
class _Seen:
    """What an encoder makes of the train and the test clips through a view. features: (n, D) each."""

    encoder: VideoViT
    pixels: tuple[Tensor, Tensor]
    features: tuple[Tensor, Tensor]

    @classmethod
    def through(cls, encoder: VideoViT, train: Tensor, test: Tensor, view: str) -> _Seen:
        pixels = VIEWS[view](train), VIEWS[view](test)
        return cls(encoder, pixels, (clip_features(encoder, pixels[0]), clip_features(encoder, pixels[1])))

    def said(self, measure: str, labels: Tensor, rows: Tensor, *, epochs: int, seed: int) -> Tensor:
        """What a measure says of every test clip, knowing these rows of the train clips and their labels -> (m,)."""
        known, unseen = self.features[0][rows], self.features[1]
        if measure == "knn":
            return knn_predict(known, labels, unseen, k=min(10, len(rows)))
        if measure == "probe":
            return probe_predict(known, labels, unseen)
        if measure == "attentive":
            tokens = [clip_tokens(self.encoder, pixels) for pixels in (self.pixels[0][rows], self.pixels[1])]
            return attentive_predict(tokens[0], labels, tokens[1], epochs=20, seed=seed)
        return finetune_predict(self.encoder, self.pixels[0][rows], labels, self.pixels[1], epochs=epochs, seed=seed)


def classification(
    run: Run | Path | str,
    manifest: Manifest | Path | str | None = None,
    *,
    labels: Sequence[str] = (),
    measures: Sequence[str] = ("knn", "probe"),
    few: Sequence[int] = (0,),
    several: bool = False,
    epochs: int = 25,
    train: str = "train",
    split: str = "val",
    seed: int = 0,
    device: str = "auto",
    tell: Tell | None = None,
) -> Outcome:
    """Accuracy on a split, 0 to 1, for each label set; with several labels a clip, mean average precision.

    run: of any method. manifest: another set than its own, to see what transfers. labels: label sets, all by default.
    measures: of `scorecard.MEASURES`. few: how many clips of each class are learned from, 0 for all; several numbers
    make a label-efficiency curve. several: the classes of a clip are those of its tracks, and a linear probe for each
    scores them. epochs: of fine-tuning. seed: of the choice of few, of probes, of fine-tuning and of the untrained
    encoder. tell: called with each row. Controls: an untrained encoder of the same size, and the middle frame alone.
    Clips are as the run's monitor sees them: its frames and stride, from the file's first frame on.
    Left out and named: clips that cannot be read or lack the label, classes with fewer clips than asked for.
    Raises OptionError for unknown names, DataError where nothing is left.
    """
    for measure in measures:
        if measure not in MEASURES:
            raise OptionError(unknown("measure", measure, MEASURES))
    if several and tuple(few) != (0,):
        raise OptionError(f"few={list(few)} labels of each class cannot be drawn where a clip has several: use few=0")
    spec = run.spec if isinstance(run, Run) else read_spec(run)
    encoder = deepcopy(run.method.encoder) if isinstance(run, Run) else checkpoints.load_encoder(run)[0]
    encoder = encoder.to(choose_device(device)).eval()
    found = opened_manifest(spec, manifest)
    look = partial(read_clips, frames=spec.frames, image=spec.image, stride=spec.stride, sampling="first")
    near, far = look(found.split(train)), look(found.split(split))
    parts = ((train, near), (split, far))
    left_out = {f"{why} ({part})": names for part, clips in parts for why, names in clips.left_out.items()}
    shown = {
        "clip": _Seen.through(encoder, near.pixels, far.pixels, "clip"),
        "one frame": _Seen.through(encoder, near.pixels, far.pixels, "one frame"),
        "untrained, clip": _Seen.through(_untrained(encoder, seed), near.pixels, far.pixels, "clip"),
    }
    rows: list[Row] = []
    tracked = dict.fromkeys(name for sample in far.samples for track in sample.tracks for name in track.labels)
    for label in labels or (tuple(tracked) if several else found.label_names):
        classes = found.num_classes(label)
        if several:
            have, wanted = (track_labels(clips.samples, label, classes) for clips in (near, far))
            made, lacking = _several(shown, have, wanted, {"labels": label}, found.classes.get(label, ()))
        else:
            have, wanted = (torch.tensor([s.labels.get(label, -1) for s in clips.samples]) for clips in (near, far))
            lacking = {
                f"clips without '{label}' ({part})": [str(s.path) for s in clips.samples if label not in s.labels]
                for part, clips in parts
            }
            chosen = {count: few_rows(have, count, seed) for count in few}
            for count, (_, short) in chosen.items():
                names = found.classes.get(label, ())
                lacking[f"classes of '{label}' with fewer than {count} clips"] = [_named(names, k) for k in short]
            made = _single(shown, have, wanted, chosen, measures, {"labels": label}, classes, epochs, seed)
        for row in made:
            rows.append(row)
            if tell:
                tell(row)
        left_out |= {reason: names for reason, names in lacking.items() if names}
    if not rows:
        raise DataError(f"{found.source} has no labels to classify by; known: {', '.join(found.label_names) or 'none'}")
    said = settings(
        spec, manifest=str(found.source), train=train, split=split, train_clips=len(near.samples),
        clips=len(far.samples), few=list(few), epochs=epochs, seed=seed,
    )  # fmt: skip
    return Outcome("classify", tuple(rows), left_out, said)


def few_rows(labels: Tensor, count: int, seed: int) -> tuple[Tensor, list[int]]:
    """Places of `count` clips of each class, drawn, or of all with a label if 0; and the classes with fewer clips.

    labels: (n,), -1 where there is none. The same clips are drawn first for a larger count.
    """
    if not count:
        return torch.nonzero(labels >= 0)[:, 0], []
    drawn = [
        np.random.default_rng(derive(seed, "few", k)).permutation(np.flatnonzero(labels == k))
        for k in labels.unique().tolist()
        if k >= 0
    ]
    short = [int(labels[own[0]]) for own in drawn if len(own) < count]
    return torch.from_numpy(np.sort(np.concatenate([own[:count] for own in drawn]))), short


def _single(
    shown: dict[str, _Seen],
    have: Tensor,
    wanted: Tensor,
    chosen: dict[int, tuple[Tensor, list[int]]],
    measures: Sequence[str],
    of: dict[str, str],
    classes: int,
    epochs: int,
    seed: int,
) -> Iterator[Row]:
    asked = wanted >= 0
    if not bool(asked.any()) or not bool((have >= 0).any()):
        raise DataError(f"no clip to learn from, or none to test, has a label of '{of['labels']}'")
    for measure in measures:
        for count, (rows, _) in chosen.items():
            for name, seen in shown.items():
                said = seen.said(measure, have[rows], rows, epochs=epochs, seed=seed)
                words = {**of, "measure": measure, "few": count or "all", "shown": name}
                yield Row(words, {"accuracy": accuracy((said == wanted)[asked])})
    yield Row({**of, "measure": "", "few": "", "shown": CHANCE}, {"accuracy": exact(1 / classes, int(asked.sum()))})


def _several(
    shown: dict[str, _Seen], have: Tensor, wanted: Tensor, of: dict[str, str], names: Sequence[str]
) -> tuple[list[Row], dict[str, list[str]]]:
    rows = []
    for name, seen in shown.items():
        scores = probe_scores(seen.features[0], have, seen.features[1])
        rows.append(Row({**of, "measure": "probe", "shown": name}, {"mAP": mean_average_precision(scores, wanted)}))
    even = mean_average_precision(torch.zeros_like(wanted, dtype=torch.float64), wanted)
    rows.append(Row({**of, "measure": "", "shown": CHANCE}, {"mAP": exact(even.value, len(wanted))}))
    empty = [_named(names, k) for k in range(wanted.shape[1]) if not bool(wanted[:, k].any())]
    return rows, {f"classes of '{of['labels']}' that no clip has": empty}


def _untrained(encoder: VideoViT, seed: int) -> VideoViT:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "untrained"))
        made = VideoViT.from_config(encoder.config)
    return made.to(encoder.patch_embed.proj.weight.device).eval()


def _named(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else str(number)
