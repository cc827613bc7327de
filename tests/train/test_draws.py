"""Masks of several processes are those of one, whatever the strategy."""

from types import SimpleNamespace

import pytest
import torch

from mvkit import maskers
from mvkit.maskers.base import MaskContext
from mvkit.tokens import TokenGrid
from mvkit.train import draws
from mvkit.train.parallel import Team

GRID = TokenGrid(2, 4, 6)
BLIND = [name for name in maskers.available() if not maskers.get(name).needs]


def drawn(masker, batch: int, **context):
    masks = masker(GRID, batch, generator=torch.Generator().manual_seed(3), context=MaskContext(**context))
    return {role: mask.hidden for role, mask in masks.roles.items()}


def rows_of(method, rank: int, world: int, files: int, batch: int, **context):
    with draws.shared(method, Team(rank, world), files):
        return drawn(method.masker, batch, **context)


@pytest.mark.parametrize("name", BLIND)
def test_each_process_has_its_rows_of_the_masks_of_one_process(name):
    method = SimpleNamespace(masker=maskers.create(name))
    whole = drawn(method.masker, 6)
    for rank in range(3):
        shares = rows_of(method, rank, 3, 2, 2)
        for role, hidden in shares.items():
            assert torch.equal(hidden, whole[role][rank::3]), role


def test_copies_of_a_clip_stay_together():
    method = SimpleNamespace(masker=maskers.create("tube"))
    whole = drawn(method.masker, 8)["encoder"]
    share = rows_of(method, 1, 2, 2, 4)["encoder"]  # two files of two copies each, for each of two processes
    assert torch.equal(share, whole[[2, 3, 6, 7]])


def test_a_strategy_that_looks_at_pixels_draws_its_own_rows_and_differs_between_processes():
    method = SimpleNamespace(masker=maskers.create("motion"))
    clips = torch.rand(2, 3, 4, 16, 24, generator=torch.Generator().manual_seed(0))
    first, second = (rows_of(method, rank, 2, 2, 2, video=clips)["encoder"] for rank in range(2))
    assert first.shape == (2, GRID.tokens) and not torch.equal(first, second)


def test_afterwards_the_method_has_its_own_masker_again():
    method = SimpleNamespace(masker=maskers.create("tube"))
    own = method.masker
    rows_of(method, 0, 2, 1, 1)
    assert method.masker is own
