import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.inspect.explained import explained


def features() -> torch.Tensor:
    return torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0)) + 4


def test_exact_predictions_explain_everything_and_the_mean_feature_nothing():
    wanted = features()
    assert explained(wanted, wanted) == 1
    assert explained(wanted.mean((0, 1)).expand_as(wanted), wanted) == pytest.approx(0, abs=1e-6)
    assert explained(-wanted, wanted) < 0


def test_half_the_way_from_the_mean_explains_three_quarters():
    wanted = features()
    assert explained((wanted + wanted.mean((0, 1))) / 2, wanted) == pytest.approx(0.75, abs=1e-6)


def test_the_scale_of_a_layer_does_not_count():
    wanted = features()
    guess = wanted + torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1))
    assert explained(100 * guess, 100 * wanted) == pytest.approx(explained(guess, wanted), abs=1e-5)


def test_predictions_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"\(3, 5, 6\)"):
        explained(features()[..., :6], features())
