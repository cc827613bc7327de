"""From a score per token to exact counts: the kernel under every strategy.

A strategy gives a score (large = visible) over a group: the tokens of a clip, the places of each step, or the columns
of a clip. The visible tokens are the exact top of it, so counts are right by construction, for the whole batch at once.
Never `score >= threshold`: ties would change the count.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mvkit.errors import MaskError
from mvkit.maskers.base import TokenMask
from mvkit.tokens import TokenGrid


def uniform(*shape: int, generator: torch.Generator) -> Tensor:
    """Uniform numbers in [0, 1) on the generator's device."""
    return torch.rand(shape, generator=generator, device=generator.device)


def pick(score: Tensor, keep: int) -> Tensor:
    """score: (..., n) -> (..., keep) long, the places of the largest, in no order."""
    return score.topk(keep, dim=-1, sorted=False).indices


def untied(score: Tensor, generator: torch.Generator) -> Tensor:
    """Rank of every score in its row, 0 = lowest, equal scores in random order. score: (..., n) -> (..., n) long."""
    shuffle = uniform(*score.shape, generator=generator).argsort(-1)
    order = shuffle.gather(-1, score.gather(-1, shuffle).argsort(dim=-1, stable=True))
    ranks = torch.arange(score.shape[-1], device=score.device).expand_as(order)
    return torch.empty_like(order).scatter_(-1, order, ranks)


def weighted(score: Tensor, generator: torch.Generator) -> Tensor:
    """Keys whose top-k is a draw of k without replacement, with probability proportional to score >= 0 (Gumbel top-k).

    Equal in law to drawing one after the other; a score of zero is drawn last, zeros among themselves evenly.
    """
    wait = torch.empty(score.shape, device=score.device).exponential_(generator=generator)
    return score.float().clamp_min(torch.finfo(torch.float32).tiny).log() - wait.log()


def keys(score: Tensor, select: str, generator: torch.Generator) -> Tensor:
    """Keys to rank tokens by a score: `top` is greedy with random ties, `gumbel` draws in proportion to the score."""
    return untied(score, generator) if select == "top" else weighted(score, generator)


def by_sample(score: Tensor, keep: int, grid: TokenGrid, **aux: Tensor) -> TokenMask:
    """score: (B, N). Keeps the `keep` best tokens of each clip."""
    return TokenMask.from_visible(pick(score, keep), grid, aux=aux)


def by_step(score: Tensor, keep: int, grid: TokenGrid, **aux: Tensor) -> TokenMask:
    """score: (B, t, h*w). Keeps the `keep` best places of each step."""
    start = torch.arange(grid.t, device=score.device)[:, None] * grid.places
    return TokenMask.from_visible((pick(score, keep) + start).flatten(1), grid, aux=aux)


def by_column(score: Tensor, keep: int, grid: TokenGrid, **aux: Tensor) -> TokenMask:
    """score: (B, h*w). Keeps the `keep` best places, the same in all steps."""
    return by_step(score[:, None].expand(-1, grid.t, -1), keep, grid, **aux)


def balanced(hidden: Tensor, keep: int, grid: TokenGrid, generator: torch.Generator, **aux: Tensor) -> TokenMask:
    """Hide or reveal tokens at random until every row of a ragged mask has `keep` visible. hidden: (B, N) bool."""
    return by_sample(uniform(*hidden.shape, generator=generator) + ~hidden, keep, grid, **aux)


def refuse_unless(fits: bool, why: str) -> None:
    """Raises MaskError with one line saying why a strategy cannot exist here."""
    if not fits:
        raise MaskError(why)
