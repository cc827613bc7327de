"""Find the clip of a caption and the caption of a clip: scores by cosine, the best ones asked again, recall and rank.

Paper: UMT, arXiv:2303.16058, whose published numbers are the re-ranked ones: the match head's answer for the 128 most
similar candidates of each query, and nothing for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mvkit.data.captions import normalise
from mvkit.data.manifest import Manifest
from mvkit.data.sample import Sample
from mvkit.errors import ShapeError
from mvkit.eval.encoded import encode_clips, encode_texts
from mvkit.eval.metrics import Accuracy, accuracy
from mvkit.eval.opened import VIEWS, Opened, open_run, read_clips, settings
from mvkit.eval.outcome import CHANCE, Outcome, Row, exact
from mvkit.eval.paired import tuned, with_captions, words_of
from mvkit.eval.tuning import TuneSpec
from mvkit.methods.umt_vl import UmtVl
from mvkit.train.loop import Run
from mvkit.train.seed import derive

CANDIDATES = 128
NOT_ASKED = -100.0
RECALLS = (1, 5, 10)


@dataclass(frozen=True)
class Scores:
    """clips_to_texts: (clips, texts), row = query; texts_to_clips: (texts, clips)."""

    clips_to_texts: Tensor
    texts_to_clips: Tensor

    @classmethod
    def of_cosines(cls, cosines: Tensor) -> Scores:
        """cosines: (clips, texts), the same both ways."""
        return cls(cosines, cosines.T)


@torch.no_grad()
def rerank(
    method: UmtVl, cosines: Tensor, said: tuple[Tensor, Tensor, Tensor], *, top: int = CANDIDATES, batch: int = 256
) -> Scores:
    """Match logits of the `top` most similar candidates of every query, NOT_ASKED elsewhere.

    cosines: (clips, texts). said: tokens (clips, V, D) of whole clips, states (texts, L, D) and word masks (texts, L).
    """
    tokens, states, words = said
    of_clips, of_texts = _best(cosines, top), _best(cosines.T, top).T
    logits = torch.full_like(cosines, NOT_ASKED)
    for part in (of_clips | of_texts).nonzero().split(batch):  # a pair that both ask about is asked once
        clips, texts = part.unbind(1)
        logits[clips, texts] = method.match(states[texts], words[texts], tokens[clips])[:, 1].to(logits)
    return Scores(logits.masked_fill(~of_clips, NOT_ASKED), logits.masked_fill(~of_texts, NOT_ASKED).T)


def _best(scores: Tensor, top: int) -> Tensor:
    """Which are the `top` highest of each row -> bool, like scores."""
    found = scores.topk(min(top, scores.shape[1]), dim=1).indices
    return torch.zeros_like(scores, dtype=torch.bool).scatter(1, found, True)


def retrieval_scores(
    scores: Scores, clips: Tensor | Sequence[int], texts: Tensor | Sequence[int]
) -> dict[str, dict[str, float]]:
    """Recall at 1, 5, 10 (0 to 1), median rank and queries, each way.

    clips, texts: whole numbers; a clip and a text with the same number belong together, several texts to a clip or
    not. A query without an answer among the candidates is counted in `unanswered` and left out of the rest.
    """
    first, second = torch.as_tensor(clips), torch.as_tensor(texts)
    if scores.clips_to_texts.shape != (len(first), len(second)):
        raise ShapeError(f"{len(first)} clips and {len(second)} texts, scores {tuple(scores.clips_to_texts.shape)}")
    return {
        "clips_to_texts": _one_way(scores.clips_to_texts, first[:, None] == second),
        "texts_to_clips": _one_way(scores.texts_to_clips, second[:, None] == first),
    }


def ranks(scores: Tensor, right: Tensor) -> Tensor:
    """Rank of the best right candidate of each row, from 1 -> (queries,) long.

    Of equal scores the wrong ones come first, so that scores which are all the same earn nothing.
    scores, right: (queries, candidates); every row has a right one.
    """
    best = scores.masked_fill(~right, -torch.inf).max(1, keepdim=True).values
    return 1 + ((scores >= best) & ~right).sum(1)


def _one_way(scores: Tensor, right: Tensor) -> dict[str, float]:
    answered = right.any(1)
    found = ranks(scores[answered], right[answered]).float()
    recalls = {f"recall@{k}": float((found <= k).float().mean()) for k in RECALLS}
    middle = float(found.quantile(0.5)) if len(found) else float("nan")
    return {**recalls, "median_rank": middle, "queries": len(found), "unanswered": int((~answered).sum())}


def retrieval(
    run: Run | Path | str | Opened,
    manifest: Manifest | Path | str | None = None,
    *,
    split: str = "val",
    frames: int = 0,
    captions: int = 1,
    top: int = CANDIDATES,
    seed: int = 0,
    tuning: TuneSpec | None = None,
    device: str = "auto",
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Outcome:
    """Both ways over the clips of a split, by cosine and re-ranked: recall at 1, 5, 10 (0 to 1) and median rank.

    run: of umt_vl. frames: of a clip, from equal parts of the file; 0 takes the run's. captions: of each clip, the
    first ones; 0 takes all. top: candidates of a query that the match head is asked about. seed: of the control.
    tuning: fine-tunes a copy on the split "train" before; None asks the run as it is. progress: told of each step.
    Controls: the middle frame alone; captions with their words shuffled. Clips with an equal caption are all right.
    Left out and named: clips that cannot be read, clips without a caption, captions without a word.
    Raises OptionError for another kind of run, DataError where nothing is left.
    """
    opened = run if isinstance(run, Opened) else open_run(run, manifest, device=device)
    opened, untold = tuned(opened, tuning, progress=progress) if tuning else (opened, {})
    frames = frames or (tuning and tuning.frames) or opened.spec.frames
    asked, left_out = with_captions(opened.manifest.split(split), captions)
    clips = read_clips(asked, frames=frames, image=opened.spec.image)
    texts = [text for sample in clips.samples for text in words_of(sample, captions)]
    right = belong(clips.samples, texts)
    shuffled = [_shuffled(text, seed, place) for place, text in enumerate(texts)]
    rows = []
    for shown, said in (("clip", texts), ("one frame", texts), ("clip, words shuffled", shuffled)):
        seen = encode_clips(opened.method, clips.pixels, VIEWS[shown.partition(",")[0]])
        read = encode_texts(opened.method, said)
        cosines = read.cosines(seen)
        again = rerank(opened.method, cosines, (seen.tokens, read.states, read.words), top=top)
        for scores, found in (("cosine", Scores.of_cosines(cosines)), ("re-ranked", again)):
            rows += _rows(found, right, {"shown": shown, "scores": scores})
    chance = {way: by_chance(table) for way, table in (("clips_to_texts", right), ("texts_to_clips", right.T))}
    rows += [Row({"shown": CHANCE, "scores": "", "way": way}, values) for way, values in chance.items()]
    spec = settings(
        opened.spec, split=split, frames=frames, top=top, seed=seed, clips=len(right),
        captions=len(texts), captions_of_several_clips=int((right.sum(0) > 1).sum()),
        tuning=tuning and tuning.model_dump(),
    )  # fmt: skip
    return Outcome("retrieval", tuple(rows), {**left_out, **clips.left_out, **untold}, spec)


def belong(samples: Sequence[Sample], texts: Sequence[str]) -> Tensor:
    """Which text says what a clip's own captions say, word for word -> (clips, texts) bool."""
    keys = [normalise(text) for text in texts]
    own = [{normalise(text) for text in sample.captions} for sample in samples]
    return torch.tensor([[key in said for key in keys] for said in own])


def _rows(scores: Scores, right: Tensor, of: dict[str, str]) -> list[Row]:
    ways = {"clips_to_texts": (scores.clips_to_texts, right), "texts_to_clips": (scores.texts_to_clips, right.T)}
    return [Row({**of, "way": way}, _measured(ranks(found.cpu(), wanted))) for way, (found, wanted) in ways.items()]


def _measured(found: Tensor) -> dict[str, Accuracy]:
    recalls = {f"recall@{k}": accuracy(found <= k) for k in RECALLS}
    return {**recalls, "median_rank": accuracy(found, statistic=np.median)}


def by_chance(right: Tensor) -> dict[str, Accuracy]:
    """Of candidates in a random order: the mean over queries of 1 - C(n - r, k) / C(n, k), r of n being right."""
    count, of = right.shape[1], right.sum(1)
    found = {}
    for k in RECALLS:
        # The chance that none of the first k is right, as a product: k factors, never a large binomial.
        none = torch.stack([((count - of - i) / max(count - i, 1)).clamp(min=0) for i in range(min(k, count))]).prod(0)
        found[f"recall@{k}"] = exact(float(1 - none.mean()), len(right))
    return found


def _shuffled(text: str, seed: int, place: int) -> str:
    words = normalise(text).split()
    return " ".join(np.random.default_rng(derive(seed, "words", place)).permutation(words))
