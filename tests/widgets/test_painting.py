"""Masks painted by hand: strokes, the text they are kept as, and the Python that makes them again."""

import numpy as np
import pytest
import torch

import mvkit
from mvkit.errors import MaskError
from mvkit.tokens import TokenGrid
from mvkit.widgets import painting

GRID = TokenGrid(2, 3, 5)


def test_text_lists_runs_of_hidden_tokens_and_comes_back_the_same():
    hidden = np.zeros(30, bool)
    hidden[[0, 1, 2, 7, 28, 29]] = True
    assert painting.text_of(hidden.reshape(GRID.shape)) == "0-2 7 28-29"
    for text in ("", "0-2 7 28-29", "0-29"):
        assert painting.text_of(painting.hidden_of(text, GRID)) == text
    assert painting.text_of(painting.hidden_of("7, 0-1,1-2", GRID)) == "0-2 7"


@pytest.mark.parametrize("text", ["30", "x", "5-3", "-1", "1-", "1.5"])
def test_text_that_names_no_tokens_is_refused(text):
    with pytest.raises(MaskError, match="0 to 29"):
        painting.hidden_of(text, GRID)


@pytest.mark.parametrize("text", ["", "0-2 7 28-29", "0-29"])
def test_the_line_of_python_makes_the_mask_again(text):
    again = eval(painting.code_of(text, GRID), {"mvkit": mvkit, "torch": torch})
    assert again.grid == GRID and torch.equal(again.hidden, painting.mask_of(text, GRID).hidden)


def test_a_stroke_hides_or_shows_one_step_or_all_and_leaves_what_it_began_from():
    nothing = np.zeros(GRID.shape, bool)
    one = painting.stroke(nothing, [(1, 2, 4), (1, 0, 0)])
    assert np.argwhere(one).tolist() == [[1, 0, 0], [1, 2, 4]] and not nothing.any()
    both = painting.stroke(one, [(0, 2, 4)], through=True)
    assert both[:, 2, 4].all() and both.sum() == 3
    assert painting.stroke(both, [(1, 2, 4)], hide=False, through=True).sum() == 1


def test_points_far_apart_are_joined_so_that_no_token_between_is_missed():
    filled = painting.between([(0, 0), (10, 5)], 2)
    steps = np.abs(np.diff(np.array(filled), axis=0)).max(1)
    assert filled[0] == (0, 0) and filled[-1] == (10, 5) and steps.max() <= 2
    assert painting.between([(3, 4)], 2) == [(3, 4)]
