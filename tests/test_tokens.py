import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.tokens import TokenGrid, patchify, unpatchify


def test_tokens_are_numbered_time_first_then_rows_then_columns():
    grid = TokenGrid(t=2, h=3, w=5)
    assert (grid.tokens, grid.places) == (30, 15)
    assert grid.index(1, 2, 4) == 29
    assert [grid.index(*grid.place(n)) for n in range(30)] == list(range(30))


def test_patchify_puts_channels_fastest_then_x_then_y_then_frame():
    clips = torch.arange(2 * 3 * 4 * 6 * 10).reshape(2, 3, 4, 6, 10)
    pixels = patchify(clips, tubelet=2, patch=2)
    assert pixels.shape == (2, 2 * 3 * 5, 2 * 2 * 2 * 3)
    token = TokenGrid(2, 3, 5).index(1, 2, 3)
    wanted = [clips[1, c, 2 + f, 4 + y, 6 + x] for f in range(2) for y in range(2) for x in range(2) for c in range(3)]
    assert pixels[1, token].tolist() == [int(value) for value in wanted]


def test_unpatchify_is_the_inverse_on_odd_grids():
    clips = torch.rand(2, 3, 4, 6, 10)
    grid = TokenGrid.of_clip(4, 6, 10, tubelet=2, patch=2)
    assert torch.equal(unpatchify(patchify(clips, tubelet=2, patch=2), grid, tubelet=2, patch=2), clips)


@pytest.mark.parametrize("size", [(3, 32, 32), (4, 30, 32), (4, 32, 8)])
def test_a_clip_that_does_not_divide_is_refused_with_the_size_that_would(size):
    with pytest.raises(ShapeError, match="is not a multiple of"):
        TokenGrid.of_clip(*size, tubelet=2, patch=16)


@pytest.mark.parametrize("bad", [0, -1, 2.0, True])
def test_a_grid_axis_is_a_whole_number_of_at_least_one(bad):
    with pytest.raises(ShapeError, match="h must be a whole number"):
        TokenGrid(t=1, h=bad, w=1)


def test_places_outside_the_grid_are_refused():
    with pytest.raises(ShapeError, match="outside"):
        TokenGrid(2, 3, 5).index(2, 0, 0)
    with pytest.raises(ShapeError, match="30 tokens"):
        TokenGrid(2, 3, 5).place(30)


def test_unpatchify_says_what_would_fit():
    with pytest.raises(ShapeError, match="wanted"):
        unpatchify(torch.zeros(1, 5, 24), TokenGrid(2, 3, 5), tubelet=2, patch=2)
