"""The kernel from scores to exact counts."""

from __future__ import annotations

import torch

from mvkit import TokenGrid
from mvkit.maskers._select import balanced, by_column, by_step, untied, weighted


def test_gumbel_top_k_draws_with_the_law_of_drawing_one_after_the_other():
    g = torch.Generator().manual_seed(0)
    weights = torch.tensor([5.0, 3.0, 1.0, 1.0, 0.0])
    keys = weighted(weights.expand(40000, -1), g)
    got = torch.zeros(40000, 5).scatter_(1, keys.topk(2).indices, 1.0).mean(0)
    p = weights / weights.sum()
    want = p + sum(p[j] * p / (1 - p[j]) * (torch.arange(5) != j) for j in range(4))
    assert torch.allclose(got, want, atol=0.01)


def test_weights_of_zero_are_drawn_last_and_evenly():
    g = torch.Generator().manual_seed(0)
    keys = weighted(torch.tensor([1e-6, 0, 0, 0]).expand(20000, -1), g)
    got = torch.zeros(20000, 4).scatter_(1, keys.topk(2).indices, 1.0).mean(0)
    assert got[0] == 1.0
    assert torch.allclose(got[1:], torch.full((3,), 1 / 3), atol=0.015)


def test_equal_scores_are_ranked_at_random_and_unequal_ones_never():
    g = torch.Generator().manual_seed(0)
    ranks = untied(torch.tensor([2.0, 1.0, 1.0, 1.0, 3.0]).expand(6000, -1), g)
    assert bool((ranks[:, 0] == 3).all()) and bool((ranks[:, 4] == 4).all())
    assert torch.allclose(ranks[:, 1:4].float().mean(0), torch.ones(3), atol=0.05)
    assert torch.equal(ranks.sort(1).values, torch.arange(5).expand(6000, -1))


def test_steps_and_columns_keep_their_best_places():
    grid = TokenGrid(2, 3, 5)
    score = torch.randn(4, 2, 15, generator=torch.Generator().manual_seed(0))
    step = by_step(score, 4, grid).hidden.view(4, 2, 15)
    for clip in range(4):
        for t in range(2):
            assert set((~step[clip, t]).nonzero()[:, 0].tolist()) == set(score[clip, t].topk(4).indices.tolist())
    column = by_column(score[:, 0], 4, grid).hidden.view(4, 2, 15)
    assert torch.equal(column[:, 0], column[:, 1]) and torch.equal(column[:, 0], step[:, 0])


def test_balancing_changes_no_more_tokens_than_it_must():
    grid, g = TokenGrid(2, 3, 5), torch.Generator().manual_seed(0)
    hidden = torch.rand(50, 30, generator=g) < 0.5
    mask = balanced(hidden, 15, grid, g)
    changed = (mask.hidden != hidden).sum(1)
    assert torch.equal(changed, (hidden.sum(1) - 15).abs())
