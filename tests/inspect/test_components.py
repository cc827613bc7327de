import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.inspect.components import principal


def features(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_first_three_components_hold_the_directions_that_vary_most():
    spread = torch.tensor([0.1, 5.0, 0.2, 3.0, 0.1, 9.0])
    found = principal(features(2, 200, 6) * spread + 4)
    assert found.axes.abs().argmax(0).tolist() == [5, 1, 3]
    assert torch.allclose(found.axes.T @ found.axes, torch.eye(3), atol=1e-5)
    assert found.share[0] > found.share[1] > found.share[2] and 0.99 < found.share.sum() <= 1.0001


def test_colours_lie_between_0_and_1_and_the_same_feature_has_the_same_colour_anywhere():
    tokens = features(2, 30, 5)
    found = principal(tokens)
    colours = found.colours(tokens)
    assert colours.shape == (2, 30, 3) and colours.min() == 0 and colours.max() == 1
    assert torch.allclose(found.colours(tokens[1, 7]), colours[1, 7], atol=1e-6)
    assert torch.equal(principal(tokens).axes, found.axes)


def test_features_that_are_all_alike_have_one_colour_and_no_division_by_zero():
    colours = principal(torch.full((1, 9, 4), 2.0)).colours(torch.full((1, 9, 4), 2.0))
    assert torch.isfinite(colours).all() and colours.unique().numel() == 1


def test_features_of_another_width_and_too_few_of_them_are_refused():
    with pytest.raises(ShapeError, match="width 5"):
        principal(features(1, 9, 5)).colours(features(1, 9, 6))
    with pytest.raises(ShapeError, match="4 tokens of width 3"):
        principal(features(1, 9, 2))
