import pytest
import torch

from mvkit.errors import OptionError, ShapeError
from mvkit.losses import feature_loss, normalise_features

BY_HAND = {
    "l2": lambda d: d * d,
    "l1": abs,
    "smooth_l1": lambda d: d * d / 2 if abs(d) < 1 else abs(d) - 0.5,
}


def pair(shape=(2, 3, 5)):
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.randn(shape, dtype=torch.float64, generator=generator) for _ in range(2))


@pytest.mark.parametrize("kind", BY_HAND)
def test_each_kind_matches_the_loop_written_by_hand(kind):
    predictions, targets = pair()
    differences = [float(p - t) for p, t in zip(predictions.flatten(), targets.flatten(), strict=True)]
    assert min(map(abs, differences)) < 1 < max(map(abs, differences))
    wanted = sum(map(BY_HAND[kind], differences)) / len(differences)
    assert feature_loss(predictions, targets, kind).item() == pytest.approx(wanted, rel=1e-6)


def test_the_default_is_smooth_l1_in_float32():
    predictions, targets = pair()
    assert torch.equal(feature_loss(predictions, targets), feature_loss(predictions, targets, "smooth_l1"))
    assert feature_loss(predictions.bfloat16(), targets.bfloat16()).dtype == torch.float32


def test_normalised_features_match_the_loop_written_by_hand():
    features, _ = pair((1, 2, 7))
    got = normalise_features(features)
    for token in range(2):
        values = features[0, token]
        wanted = (values - values.mean()) / (values.var(unbiased=False) + 1e-6).sqrt()
        assert torch.allclose(got[0, token].double(), wanted, atol=1e-6)


def test_a_constant_token_becomes_zero_and_not_infinite():
    assert torch.equal(normalise_features(torch.full((1, 1, 8), 3.0)), torch.zeros(1, 1, 8))


def test_other_shapes_are_refused_and_the_repair_is_named():
    with pytest.raises(ShapeError, match=r"\(2, 3, 4\) and targets \(2, 3, 5\).*5 wide"):
        feature_loss(torch.zeros(2, 3, 4), torch.zeros(2, 3, 5))
    with pytest.raises(ShapeError, match=r"\(2, 3, 4\) and targets \(1, 3, 4\).*same hidden tokens"):
        feature_loss(torch.zeros(2, 3, 4), torch.zeros(1, 3, 4))


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(OptionError, match="smooth_l1"):
        feature_loss(torch.zeros(1), torch.zeros(1), "huber")
