"""Video question answering: a decoder fine-tuned from a run of stage 2 ranks a fixed list of answers.

Paper: UMT, arXiv:2303.16058. Controls see one frame, or nothing, and are fine-tuned in the same way: what they reach
is in the questions and the looks, not in the motion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mvkit.checkpoints.native import Report, load_state
from mvkit.data.manifest import Manifest
from mvkit.errors import DataError, OptionError, unknown
from mvkit.eval.metrics import accuracy
from mvkit.eval.opened import VIEWS, Clips, Opened, View, open_run, read_clips, settings
from mvkit.eval.outcome import CHANCE, Outcome, Row, exact
from mvkit.eval.questions import Question, Questions, answer_ids, questions
from mvkit.eval.tuning import TuneSpec, tune, with_drop_path
from mvkit.methods.umt_vl import UmtVl
from mvkit.models.answers import CANDIDATES, AnswerDecoder, VideoQA
from mvkit.models.wordpiece import WordPiece
from mvkit.train.loop import Run
from mvkit.train.seed import derive


def video_qa(method: UmtVl, *, drop_path: float = 0.0, seed: int = 0) -> tuple[VideoQA, Report]:
    """A model that answers questions, made of a run of stage 2, and what its decoder took over.

    Encoder and text encoder are copies; decoder layer i is fusion layer i, embeddings and word head go along. What
    does not fit (keys and values, where words are not as wide as tokens) or was not there (a run without the word
    loss) starts from `seed`.
    """
    text = deepcopy(method.text)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "answers"))
        decoder = AnswerDecoder(
            text.shape, vocabulary=method.tokenizer.size, states_width=text.shape.width,
            dropout=text.embeddings.dropout.p, pad=method.tokenizer.special.pad,
        )  # fmt: skip
    state = {f"text.{name}": value for name, value in text.state_dict().items() if name.startswith("embeddings.")}
    for number in range(text.shape.depth - text.shape.fusion):
        layer = text.layers[text.shape.fusion + number].state_dict()
        state |= {f"text.layers.{number}.{name}": value for name, value in layer.items()}
    if method.words is not None:
        state |= {f"words.{name}": value for name, value in method.words.state_dict().items()}
    report = load_state(decoder, state, strict=False)
    encoder = with_drop_path(method.encoder, drop_path)
    return VideoQA(encoder=encoder, text=text, decoder=decoder).to(method.temperature.device), report


def qa(
    run: Run | Path | str | Opened,
    manifest: Manifest | Path | str | None = None,
    tuning: TuneSpec | None = None,
    *,
    shown: Sequence[str] = tuple(VIEWS),
    train: str = "train",
    split: str = "val",
    answers: Sequence[str] = (),
    top: int = CANDIDATES,
    device: str = "auto",
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Outcome:
    """Share of the questions of a split that are answered word for word, after fine-tuning on the train split.

    shown: of `VIEWS`, each fine-tuned and tested on its own: the clip and its controls. answers: the fixed list; by
    default every answer of the train split. top: answers that are asked in full. progress: called with each step.
    kind: of question, "all" for all. A question whose answer is not on the list is counted, named, and wrong. Left out
    and named: clips that cannot be read, questions without a word or an answer.
    Raises OptionError for another kind of run or view, DataError where there are no questions.
    """
    for view in shown:
        if view not in VIEWS:
            raise OptionError(unknown("view", view, VIEWS))
    opened = run if isinstance(run, Opened) else open_run(run, manifest, device=device)
    spec = tuning or TuneSpec()  # pyright: ignore[reportCallIssue]  # every field has a default
    known = questions(opened.manifest.split(train))
    clips = read_clips(
        _asked_about(opened.manifest.split(split)), frames=spec.frames or opened.spec.frames, image=opened.spec.image
    )
    asked = questions(clips.samples)
    if not known.asked or not asked.asked:
        raise DataError(f"questions with answers are wanted in {train} and in {split} of {opened.manifest.source}")
    listed = tuple(answers) or known.answers()
    outside = {"questions whose answer is not on the list": asked.outside(listed)}
    rows, broken = [], {}
    for view in shown:
        model, broken = tuned_to_answer(opened, train, known, listed, spec, VIEWS[view], progress)
        said = answered(model, opened.method.tokenizer, clips, asked, listed, view=VIEWS[view], top=top)
        correct = [ranked[0][0] in q.answers for ranked, q in zip(said, asked.asked, strict=True)]
        rows += rows_by_kind(view, asked, correct)
    rows += _chance(known, asked, listed)
    left_out = {**outside, **asked.left_out, **_of("train", known.left_out), **clips.left_out, **_of("train", broken)}
    more = {"questions": len(asked.asked), "answers": len(listed), "top": top, "tuning": spec.model_dump()}
    said = settings(opened.spec, split=split, train=train, train_questions=len(known.asked), **more)
    return Outcome("qa", tuple(rows), {reason: names for reason, names in left_out.items() if names}, said)


@torch.no_grad()
def answered(
    model: VideoQA,
    tokenizer: WordPiece,
    clips: Clips,
    asked: Questions,
    listed: Sequence[str],
    *,
    view: View = VIEWS["clip"],
    top: int = CANDIDATES,
    batch: int = 32,
) -> list[list[tuple[str, float]]]:
    """For every question the answers of a list that were asked in full and their chances, the likeliest first.

    asked: of these clips.
    """
    device = next(model.parameters()).device
    parts = [model.encoder(view(part.to(device)).float() / 255).tokens for part in clips.pixels.split(batch)]
    tokens = torch.cat(parts)
    candidates = answer_ids(tokenizer, listed, device)
    said = []
    for number in range(0, len(asked.asked), batch):
        some = asked.asked[number : number + batch]
        ids, mask = (part.to(device) for part in tokenizer([q.text for q in some]))
        found = model.rank(model.text(ids, mask, tokens[[q.place for q in some]]), mask, candidates, top=top)
        for order, chances in zip(found.ids.tolist(), found.probabilities.tolist(), strict=True):
            said.append([(listed[i], chance) for i, chance in zip(order, chances, strict=True)])
    return said


def tuned_to_answer(
    opened: Opened,
    train: str,
    known: Questions,
    listed: Sequence[str],
    spec: TuneSpec,
    view: View,
    progress: Callable[[dict[str, Any]], None] | None,
) -> tuple[VideoQA, dict[str, list[str]]]:
    """A model after fine-tuning, and the clips it could not read."""
    tokenizer = opened.method.tokenizer
    model, _ = video_qa(opened.method, drop_path=spec.drop_path, seed=spec.seed)
    device = next(model.parameters()).device
    items = _items(known.asked, spec.together)

    def loss(clips: Tensor, numbers: list[int], _: torch.Generator) -> Tensor:
        asked = [question for number in numbers for question in items[number]]
        counts = torch.tensor([len(items[number]) for number in numbers], device=device)
        ids, mask = (part.to(device) for part in tokenizer([q.text for q in asked]))
        states = model.text(ids, mask, model.encoder(view(clips)).tokens.repeat_interleave(counts, 0))
        answers = answer_ids(tokenizer, [a for q in asked for a in q.answers], device)
        weights = torch.tensor([share for q in asked for share in q.answers.values()], device=device)
        given = torch.tensor([len(q.answers) for q in asked], device=device)
        return model.loss(states, mask, answers, weights, given)

    dataset = spec.dataset(opened.manifest.split(train), opened.spec.frames, opened.spec.image)
    broken = tune(model, dataset, [item[0].place for item in items], spec, loss, progress=progress)
    return model, {"clips that cannot be read": broken}


def _items(asked: Sequence[Question], together: int) -> list[list[Question]]:
    """The questions of each clip in parts of at most `together`: what a step takes a batch of."""
    by_clip: dict[int, list[Question]] = {}
    for question in asked:
        by_clip.setdefault(question.place, []).append(question)
    return [own[i : i + together] for own in by_clip.values() for i in range(0, len(own), together)]


def _asked_about(manifest: Manifest) -> Manifest:
    places = [place for place, sample in enumerate(manifest) if sample.qa]
    if not places:
        raise DataError(f"no clip of {manifest.source} has questions: give a manifest with qa")
    return manifest.select(places)


def rows_by_kind(shown: str, asked: Questions, correct: Sequence[bool]) -> list[Row]:
    """A row for all questions and one for each kind."""
    right = torch.tensor(correct)
    return [Row({"shown": shown, "kind": kind}, {"accuracy": accuracy(right[mine])}) for kind, mine in _by_kind(asked)]


def _by_kind(asked: Questions) -> list[tuple[str, Tensor]]:
    return [(kind, torch.tensor([kind in ("all", q.kind) for q in asked.asked])) for kind in asked.kinds()]


def _chance(known: Questions, asked: Questions, listed: Sequence[str]) -> list[Row]:
    """Per kind, without a look: any answer that its train questions have had, and always their most frequent one."""
    rows = []
    for kind, mine in _by_kind(asked):
        had = Counter(a for q in known.asked if kind in ("all", q.kind) for a in q.answers if a in listed)
        if not had:
            continue
        most = min(had, key=lambda answer: (-had[answer], answer))
        right = [most in q.answers for q, here in zip(asked.asked, mine.tolist(), strict=True) if here]
        for name, value in ((CHANCE, 1 / len(had)), ("most frequent answer", sum(right) / len(right))):
            rows.append(Row({"shown": name, "kind": kind}, {"accuracy": exact(value, len(right))}))
    return rows


def _of(split: str, left_out: dict[str, list[str]]) -> dict[str, list[str]]:
    return {f"{reason} ({split})": names for reason, names in left_out.items()}
