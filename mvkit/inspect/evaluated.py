"""Any run or file on any task: scores beside their controls, and examples picked by rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydantic import Field
from torch import Tensor

from mvkit import checkpoints
from mvkit.data import shapes
from mvkit.data.keyframes import of_tracks
from mvkit.data.manifest import Manifest, read_manifest
from mvkit.errors import OptionError, unknown
from mvkit.eval.choice import choice
from mvkit.eval.classification import classification
from mvkit.eval.detection import detection
from mvkit.eval.detection_examples import Example, examples
from mvkit.eval.encoded import encode_clips, encode_texts
from mvkit.eval.metrics import Accuracy
from mvkit.eval.opened import VIEWS, Opened, open_run, opened_manifest, read_clips
from mvkit.eval.outcome import CHANCE, Outcome, Row
from mvkit.eval.paired import tuned, with_captions, words_of
from mvkit.eval.qa import qa
from mvkit.eval.retrieval import belong, retrieval
from mvkit.eval.tuning import TuneSpec
from mvkit.inspect.queries import Query, by_rank
from mvkit.inspect.subject import WORDS, Progress, Subject
from mvkit.inspect.subject import embedded as embedded
from mvkit.inspect.subject import open_subject as open_subject
from mvkit.inspect.told import Told, of_choices, of_classes, of_questions, picked
from mvkit.models.timm_encoder import TimmEncoder
from mvkit.models.vit import VideoViT
from mvkit.train.precision import choose_device
from mvkit.train.record import Record
from mvkit.train.source import DATA
from mvkit.train.spec import RunSpec

Examples = Mapping[str, Sequence[Told | Example]] | Mapping[str, tuple[Query, Tensor]]


class Asked(Record):
    """How a task is asked. manifest: another list than the run's own; of transfer, the second one. train, split: what
    is learned from and what is tested, the first `known` and `tested` of them, 0 for all. labels, measures, few: of
    classes, as `eval.classification`. top: candidates or answers that are asked in full. epochs, lr: of fine-tuning;
    0 and None take the task's own, which for retrieval and choice is none. Raises OptionError.
    """

    manifest: str = ""
    train: str = "train"
    split: str = "val"
    known: int = Field(0, ge=0)
    tested: int = Field(0, ge=0)
    labels: list[str] = Field(default_factory=list)
    measures: list[str] = Field(default_factory=lambda: ["probe"])
    few: list[int] = Field(default_factory=lambda: [1, 4, 16, 0])
    top: int = Field(32, ge=1)
    epochs: int = Field(0, ge=0)
    lr: float | None = Field(None, gt=0)
    seed: int = Field(0, ge=0)
    device: str = "auto"

    def clips(self, manifest: Manifest) -> Manifest:
        """What of a manifest is used."""
        near, far = ([i for i, s in enumerate(manifest) if s.split == part] for part in (self.train, self.split))
        return manifest.select([*near[: self.known or None], *far[: self.tested or None]])

    def tuning(self, **own: Any) -> TuneSpec:
        """The task's own fine-tuning, with the changes that are asked for."""
        asked = {name: value for name, value in (("epochs", self.epochs), ("lr", self.lr)) if value}
        chosen = {"seed": self.seed, "cache": True, **own, **asked}
        return TuneSpec(**{**chosen, "warmup_epochs": min(1, chosen["epochs"] - 1)})


@dataclass(frozen=True)
class Evaluated:
    """outcome: all scores. name: of the value that is shown. bands: what is measured -> what was shown -> its score;
    chance: of each band. examples: rule -> what was said, of the first band or as the task has them."""

    outcome: Outcome
    name: str
    bands: Mapping[str, Mapping[str, Accuracy]]
    chance: Mapping[str, float]
    examples: Examples

    @property
    def headline(self) -> dict[str, Any]:
        """The first band in numbers: a score for each thing shown, chance, and `margin`: the clip less its best
        control."""
        band, found = next(iter(self.bands.items()))
        scores = {shown: value.value for shown, value in found.items()}
        controls = [value for shown, value in scores.items() if shown != "clip"]
        chance = {"chance": self.chance[band]} if band in self.chance else {}
        margin = {"margin": scores["clip"] - max(controls)} if controls else {}
        return {"task": self.outcome.task, "of": f"{self.name}, {band}", **scores, **chance, **margin}

    def by_labels(self) -> dict[str, dict[str, list[list[float]]]]:
        """Of few_shot: measure -> what was shown -> labels of each class (of all, their mean), value, low and high."""
        curves: dict[str, dict[str, list[list[float]]]] = {}
        for band, found in self.bands.items():
            measure, _, few = band.rpartition(", ")
            count = self.outcome.spec["train_clips"] * self.chance[band] if few == "all" else float(few)
            for shown, score in found.items():
                curves.setdefault(measure, {}).setdefault(shown, []).append([count, score.value, score.low, score.high])
        return curves

    def records(self) -> list[dict[str, Any]]:
        """The rows of the outcome, called as scores of other notebooks are: encoder, labels, measure."""
        ours = {"clip": "trained"}
        return [
            {"task": self.outcome.task, "encoder": ours.get(row["shown"], row["shown"]), **row}
            for row in self.outcome.records()
        ]


def evaluate(task: str, subject: Subject, asked: Asked, progress: Progress | None = None) -> Evaluated:
    """Ask a subject a task of `TASKS`. progress: told of the steps of fine-tuning. Raises MvkitError."""
    if task not in TASKS:
        raise OptionError(unknown("task", task, TASKS))
    if task in WORDS and subject.folder is None:
        raise OptionError(
            f"{task} wants a run of umt_vl, got {subject.said}: train umt_vl with start=['{subject.said}']"
        )
    if isinstance(subject.encoder, TimmEncoder) and (task == "detection" or "finetune" in asked.measures):
        raise OptionError(
            f"{subject.said} is an image model and cannot be fine-tuned on clips: measures=['probe'] can ask"
        )
    outcome, found = TASKS[task](subject, asked, progress)
    name, columns = _SHOWN[task]
    bands: dict[str, dict[str, Accuracy]] = {}
    chance = {}
    for row in outcome.rows:
        if name not in row.values:
            continue
        words = [str(row.of.get(column, "")) for column in columns]
        if row.of["shown"] == CHANCE:
            chance[tuple(words)] = row.values[name].value
        else:
            bands.setdefault(_band(words), {})[str(row.of["shown"])] = row.values[name]
    of_bands = {band: value for band in bands for words, value in chance.items() if _within(words, band)}
    return Evaluated(outcome, name, bands, of_bands, found)


def _classify(subject: Subject, asked: Asked, progress: Progress | None) -> tuple[Outcome, Examples]:
    manifest = asked.clips(opened_manifest(subject.spec, asked.manifest or None))
    return _of_classes(subject, asked, manifest), _classes_told(subject, asked, manifest)


def _few_shot(subject: Subject, asked: Asked, progress: Progress | None) -> tuple[Outcome, Examples]:
    manifest = asked.clips(opened_manifest(subject.spec, asked.manifest or None))
    outcome = replace(_of_classes(subject, asked, manifest, asked.few), task="few_shot")
    return outcome, _classes_told(subject, asked, manifest)


def _transfer(subject: Subject, asked: Asked, progress: Progress | None) -> tuple[Outcome, Examples]:
    own = asked.clips(opened_manifest(subject.spec, None))
    other = asked.clips(read_manifest(asked.manifest or _busier(subject.spec)))
    both = {"other set": _of_classes(subject, asked, other), "own set": _of_classes(subject, asked, own)}
    rows = [Row({"set": name, **row.of}, row.values) for name, one in both.items() for row in one.rows]
    left_out = {f"{why} ({name})": what for name, one in both.items() for why, what in one.left_out.items()}
    spec = {name: one.spec for name, one in both.items()}
    return Outcome("transfer", tuple(rows), left_out, spec), _classes_told(subject, asked, other)


def _retrieval(subject: Subject, asked: Asked, progress: Progress | None) -> tuple[Outcome, Examples]:
    opened, add = _opened(subject, asked, progress)
    outcome = retrieval(opened, split=asked.split, top=asked.top, seed=asked.seed)
    told, _ = with_captions(opened.manifest.split(asked.split), 1)
    clips = read_clips(told, frames=opened.spec.frames, image=opened.spec.image)
    texts = [words_of(sample, 1)[0] for sample in clips.samples]
    seen, read = encode_clips(opened.method, clips.pixels, VIEWS["clip"]), encode_texts(opened.method, texts)
    queries = by_rank(read.cosines(seen).T, belong(clips.samples, texts).T, texts)
    found = {rank: (query, clips.pixels[list(query.places)].movedim(1, -1)) for rank, query in queries.items()}
    return add(outcome), found


def _choice(subject: Subject, asked: Asked, progress: Progress | None) -> tuple[Outcome, Examples]:
    opened, add = _opened(subject, asked, progress)
    return add(choice(opened, split=asked.split)), picked(of_choices(opened, asked.split))


def _qa(subject: Subject, asked: Asked, progress: Progress | None) -> tuple[Outcome, Examples]:
    opened = _asked(subject, asked)
    tuning = asked.tuning(epochs=5, lr=1e-3, batch=min(16, len(opened.manifest.split(asked.train))), together=8)
    ways: dict[str, Any] = {"train": asked.train, "split": asked.split, "top": asked.top, "progress": progress}
    told, rows = of_questions(opened, tuning, **ways)
    controls = qa(opened, tuning=tuning, shown=[view for view in VIEWS if view != "clip"], **ways)
    return replace(controls, rows=(*rows, *controls.rows)), picked(told)


def _detection(subject: Subject, asked: Asked, progress: Progress | None) -> tuple[Outcome, Examples]:
    own = opened_manifest(subject.spec, asked.manifest or None)
    if not any(sample.tracks for sample in own):
        own = read_manifest(_written(story="all", clips=1024, val=512))
    manifest = asked.clips(own)
    train, test = (of_tracks(manifest.split(part)) for part in (asked.train, asked.split))
    changes: dict[str, Any] = {name: value for name, value in (("epochs", asked.epochs), ("lr", asked.lr)) if value}
    if asked.epochs:
        changes["warmup_epochs"] = min(2, asked.epochs - 1)
    changes |= {
        "batch": min(16, len(train)),
        "seed": asked.seed,
        "device": asked.device,
        "frames": subject.spec.frames,
        "short": subject.spec.image,
    }
    start = cast(VideoViT, subject.encoder) if subject.encoder is not None else subject.run
    done = detection(start, train, test, spec="moving_shapes", progress=progress, **changes)
    best, worst = examples(done)
    return done.outcome, {"most right": best, "most wrong": worst}


TASKS: dict[str, Callable[[Subject, Asked, Progress | None], tuple[Outcome, Examples]]] = {
    "classify": _classify, "retrieval": _retrieval, "choice": _choice, "qa": _qa, "detection": _detection,
    "few_shot": _few_shot, "transfer": _transfer,
}  # fmt: skip
# Task -> the value that is shown, the columns that name a band.
_SHOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "classify": ("accuracy", ("measure", "labels")),
    "retrieval": ("recall@1", ("way", "scores")),
    "choice": ("accuracy", ("kind", "scores")),
    "qa": ("accuracy", ("kind",)),
    "detection": ("frame mAP", ("class",)),
    "few_shot": ("accuracy", ("measure", "labels", "few")),
    "transfer": ("accuracy", ("set", "measure", "labels")),
}


def _band(words: Sequence[str]) -> str:
    return ", ".join(filter(None, words)).replace("_", " ")


def _within(words: Sequence[str], band: str) -> bool:
    """Does chance of these words hold for a band? "all" holds for that alone."""
    return {word.replace("_", " ") for word in words if word} <= set(band.split(", "))


def _of_classes(subject: Subject, asked: Asked, manifest: Manifest, few: Sequence[int] = (0,)) -> Outcome:
    return classification(
        subject.run, manifest, labels=asked.labels, measures=asked.measures, few=few, train=asked.train,
        split=asked.split, epochs=asked.epochs or 25, seed=asked.seed, device=asked.device,
    )  # fmt: skip


def _classes_told(subject: Subject, asked: Asked, manifest: Manifest) -> Examples:
    encoder = subject.encoder or checkpoints.load_encoder(cast(Path, subject.folder))[0]
    encoder = encoder.to(choose_device(asked.device)).eval()
    label = (asked.labels or manifest.label_names)[-1]
    parts = (manifest.split(asked.train), manifest.split(asked.split))
    return {f"{label}: {rule}": some for rule, some in picked(of_classes(encoder, subject.spec, *parts, label)).items()}


def _asked(subject: Subject, asked: Asked) -> Opened:
    opened = open_run(cast(Path, subject.folder), asked.manifest or None, device=asked.device)
    return replace(opened, manifest=asked.clips(opened.manifest))


def _opened(subject: Subject, asked: Asked, progress: Progress | None) -> tuple[Opened, Callable[[Outcome], Outcome]]:
    """A run, fine-tuned if epochs are asked for, and what says so in its outcome."""
    opened = _asked(subject, asked)
    if not asked.epochs:
        return opened, lambda outcome: outcome
    spec = asked.tuning(batch=min(16, len(opened.manifest.split(asked.train))), grouped=True)
    opened, untold = tuned(opened, spec, train=asked.train, progress=progress)
    return opened, lambda outcome: replace(
        outcome, left_out={**outcome.left_out, **untold}, spec={**outcome.spec, "tuning": spec.model_dump()}
    )


def _busier(spec: RunSpec) -> Path:
    """Clips of the same classes that look otherwise: other small sprites about, and more noise."""
    clips = {name: value for name, value in spec.data.items() if name in ("clips", "val")}
    return _written(**clips, seed=1, distractors=2, noise=12.0)


def _written(**spec: Any) -> Path:
    made = shapes.ShapesSpec(**spec)
    return shapes.write(DATA / "moving_shapes" / made.key, made)
