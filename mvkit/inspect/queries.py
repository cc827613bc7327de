"""Queries of a retrieval to look at, chosen by rule: those of the best, the median and the worst rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from mvkit.errors import ShapeError
from mvkit.eval.retrieval import ranks


@dataclass(frozen=True)
class Query:
    """text: what was asked for. rank: of the best right candidate, from 1, among `of`. Of the candidates shown, first
    the best: places among all, ranks, scores, and are they right."""

    text: str
    rank: int
    of: int
    places: tuple[int, ...]
    ranks: tuple[int, ...]
    scores: tuple[float, ...]
    right: tuple[bool, ...]


def by_rank(scores: Tensor, right: Tensor, texts: Sequence[str], *, top: int = 4) -> dict[str, Query]:
    """ "best", "median" and "worst" -> the query at that place in the order of ranks; of equal ranks the first one.

    scores, right: (queries, candidates), every query with a right one. top: candidates shown of each; the best right
    one stands behind them if it is not among them. Equal scores rank as in `eval.retrieval.ranks`, wrong ones first.
    Raises ShapeError.
    """
    if scores.shape != right.shape or len(texts) != len(scores) or not bool(right.any(1).all()):
        raise ShapeError(
            f"{len(texts)} texts want scores and right of (texts, candidates) with a right one each, got "
            f"{tuple(scores.shape)} and {tuple(right.shape)}"
        )
    scores, right = scores.cpu(), right.cpu()
    found = ranks(scores, right)
    order, last = found.argsort(stable=True), len(found) - 1
    worst = int((found == found.max()).nonzero()[0])
    chosen = {"best": int(order[0]), "median": int(order[last // 2]), "worst": worst}
    return {name: _query(scores[q], right[q], texts[q], int(found[q]), top) for name, q in chosen.items()}


def _query(scores: Tensor, right: Tensor, text: str, rank: int, top: int) -> Query:
    wrong_first = right.int().argsort(stable=True)
    order = wrong_first[scores[wrong_first].argsort(descending=True, stable=True)].tolist()
    kept = [*range(min(top, len(order))), *([rank - 1] if rank > top else [])]
    places = tuple(order[number] for number in kept)
    return Query(
        text, rank, len(order), places, tuple(number + 1 for number in kept),
        tuple(float(scores[place]) for place in places), tuple(bool(right[place]) for place in places),
    )  # fmt: skip
