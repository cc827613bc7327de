"""Before and after, side by side: neighbours, probe and fine-tuning on few labels, for every label set.

All encoders see the same clips, labels, seeds and settings; a score is shown whatever it says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from mvkit.errors import OptionError, unknown
from mvkit.eval.attentive import attentive_accuracy
from mvkit.eval.features import clip_features, clip_tokens
from mvkit.eval.finetune import finetune_accuracy
from mvkit.eval.knn import knn_accuracy
from mvkit.eval.monitor import Labelled
from mvkit.eval.probe import probe_accuracy
from mvkit.models.vit import VideoViT

MEASURES = ("knn", "probe", "finetune", "attentive")


@dataclass(frozen=True)
class Score:
    """One number: which encoder, which label set, how measured; accuracy and chance from 0 to 1."""

    encoder: str
    labels: str
    measure: str
    accuracy: float
    chance: float

    def as_dict(self) -> dict[str, str | float]:
        return asdict(self)


def scorecard(
    encoders: Mapping[str, VideoViT],
    train: Labelled,
    test: Labelled,
    *,
    measures: Sequence[str] = MEASURES[:3],
    few: int = 256,
    epochs: int = 25,
    seed: int = 0,
    progress: Callable[[Score], None] | None = None,
) -> list[Score]:
    """Scores of each encoder on each label set of train and test.

    encoders: name -> encoder. train, test: clips uint8 (n, 3, T, H, W) and labels {name: (n,)}. few: clips that
    fine-tuning may use, the first ones; neighbours and probes use all. epochs: of fine-tuning. seed: of fine-tuning and
    of the attentive probe. measures: of `MEASURES`; the attentive probe only if asked for.
    Raises OptionError for an unknown measure.
    """
    for measure in measures:
        if measure not in MEASURES:
            raise OptionError(unknown("measure", measure, MEASURES))
    found = []
    for name, encoder in encoders.items():
        near, far = clip_features(encoder, train[0]), clip_features(encoder, test[0])
        tokens = [clip_tokens(encoder, clips[0]) for clips in (train, test)] if "attentive" in measures else []
        for labels in train[1]:
            y, wanted = train[1][labels], test[1][labels]
            score = {
                "knn": lambda y=y, w=wanted, a=near, b=far: knn_accuracy(a, y, b, w, k=min(10, len(a))),
                "probe": lambda y=y, w=wanted, a=near, b=far: probe_accuracy(a, y, b, w),
                "attentive": lambda y=y, w=wanted, x=tokens: attentive_accuracy(x[0], y, x[1], w, seed=seed),
                "finetune": lambda y=y, w=wanted, e=encoder: finetune_accuracy(
                    e, train[0][:few], y[:few], test[0], w, epochs=epochs, seed=seed
                ),
            }
            for measure in measures:
                found.append(Score(name, labels, measure, score[measure](), 1 / (int(y.max()) + 1)))
                if progress:
                    progress(found[-1])
    return found
