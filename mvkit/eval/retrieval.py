"""Find the clip of a caption and the caption of a clip: scores by cosine, the best ones asked again, recall and rank.

Paper: UMT, arXiv:2303.16058, whose published numbers are the re-ranked ones: the match head's answer for the 128 most
similar candidates of each query, and nothing for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mvkit.errors import ShapeError
from mvkit.methods.umt_vl import UmtVl

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

    def answers(asked: Tensor) -> Tensor:
        """asked: (clips, texts) bool -> logits there, NOT_ASKED elsewhere."""
        scores = torch.full_like(cosines, NOT_ASKED)
        for part in asked.nonzero().split(batch):
            clips, texts = part.unbind(1)
            scores[clips, texts] = method.match(states[texts], words[texts], tokens[clips])[:, 1].to(scores)
        return scores

    return Scores(answers(_best(cosines, top)), answers(_best(cosines.T, top).T).T)


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
