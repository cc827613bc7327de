"""From a ratio to a count, by both rounding rules, and the count given outright."""

from __future__ import annotations

import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import MaskError
from mvkit.inspect.masks import mask_statistics
from mvkit.maskers import create
from mvkit.maskers._ratio import count_visible
from mvkit.maskers.tube import TubeMasker


@pytest.mark.parametrize(
    ("size", "ratio", "masked_floor", "keep_floor"),
    [
        (196, 0.90, 20, 19),
        (196, 0.95, 10, 9),
        (196, 0.80, 40, 39),
        (196, 0.75, 49, 49),
        (256, 0.90, 26, 25),
        (1568, 0.90, 157, 156),
        (2048, 0.90, 205, 204),
        (1960, 0.90, 196, 195),
        (7, 0.0, 7, 7),
        (7, 1.0, 0, 0),
    ],
)
def test_both_rounding_rules_count_as_the_two_official_codes(size, ratio, masked_floor, keep_floor):
    assert count_visible(size, ratio, "masked_floor") == masked_floor
    assert count_visible(size, ratio, "keep_floor") == keep_floor


def test_keep_is_the_count_itself_on_every_grid_and_shows_in_the_repr():
    masker = create("tube", keep=4)
    assert masker.counts(TokenGrid(2, 3, 5)) == {"encoder": 8} and masker.counts(TokenGrid(1, 7, 4)) == {"encoder": 4}
    assert repr(masker) == "TubeMasker(ratio=0.9, rounding='masked_floor', keep=4)"
    assert eval(repr(masker)) == masker and masker != TubeMasker()


def test_keep_draws_the_masks_of_the_ratio_that_comes_to_it():
    """MAE-ST keeps 156 of 1568 tokens and PySlowFast 2 of 8 steps; blocks are sized by the share that is hidden."""
    grid = TokenGrid(8, 14, 14)

    def masks(name, **options):
        return create(name, **options)(grid, 3, generator=torch.Generator().manual_seed(0)).primary.hidden

    assert torch.equal(masks("random", keep=156), masks("random", rounding="keep_floor"))
    assert torch.equal(masks("frame", keep=2), masks("frame", ratio=0.75))
    assert torch.equal(masks("block", keep=49), masks("block", ratio=0.75))
    assert torch.equal(masks("cube", keep=784, faithful=True), masks("cube", ratio=0.5, faithful=True))


def test_what_is_hidden_beside_the_last_steps_of_a_span_does_not_depend_on_how_it_was_counted():
    grid, g = TokenGrid(4, 6, 9), torch.Generator().manual_seed(0)
    stats = mask_statistics(create("block", keep=50, span=0.5)(grid, 20, generator=g))
    assert (stats["step_min"], stats["step_max"]) == (50, 54)


@pytest.mark.parametrize("given", [{"ratio": 0.5}, {"rounding": "keep_floor"}])
def test_a_count_and_a_share_together_are_refused(given):
    (name,) = given
    with pytest.raises(MaskError, match=rf"keep=3 stands in place of {name}"):
        create("tube", keep=3, **given)


@pytest.mark.parametrize("keep", [-1, 2.5, True, "3"])
def test_a_count_that_is_no_count_is_refused(keep):
    with pytest.raises(MaskError, match="keep must"):
        create("tube", keep=keep)
