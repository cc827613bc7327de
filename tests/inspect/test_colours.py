import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import ShapeError
from mvkit.inspect.colours import colour_maps
from mvkit.inspect.components import principal
from mvkit.maskers.base import TokenMask

GRID = TokenGrid(2, 3, 5)
MASK = TokenMask.from_visible(torch.tensor([[0, 7, 12, 29, 4], [3, 7, 20, 22, 9]]), GRID)
SPREAD = torch.tensor([9.0, 5.0, 3.0, 0.3, 0.2, 0.1])


def tokens(count: int = 30, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, count, 6, generator=torch.Generator().manual_seed(seed)) * SPREAD


def test_colours_are_the_projection_on_numpy_s_singular_vectors_up_to_sign():
    x = tokens().double()
    flat = x.reshape(60, 6) - x.reshape(60, 6).mean(0)
    vectors = torch.linalg.svd(flat, full_matrices=False).Vh[:3]
    got = colour_maps({"a": x}, GRID)["a"]
    assert got.shape == (2, 2, 3, 5, 3) and got.min() == 0 and got.max() == 1
    for channel in range(3):
        at = flat @ vectors[channel]
        values = got[..., channel].flatten()
        inside = (values > 0) & (values < 1)  # the limits cut off one token at each end
        assert int(inside.sum()) == 56
        pair = torch.corrcoef(torch.stack([at[inside], values[inside].double()]))
        assert abs(float(pair[0, 1])) == pytest.approx(1, abs=1e-6)


def test_the_first_encoder_has_the_colours_of_its_own_fit():
    x = tokens()
    assert torch.equal(colour_maps({"a": x, "b": tokens(seed=1)}, GRID)["a"].flatten(1, 3), principal(x).colours(x))


def test_rotated_mirrored_and_reordered_features_get_the_same_colours():
    x = tokens()
    turn = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(2))).Q
    wider = torch.cat([-2 * x @ turn + 1, torch.zeros(2, 30, 3)], dim=-1)
    weighted = x / SPREAD * torch.tensor([3.0, 9.0, 5.0, 0.3, 0.2, 0.1])  # its components come in another order
    found = colour_maps({"a": x, "turned": wider, "weighted": weighted}, GRID)
    assert torch.allclose(found["a"], found["turned"], atol=1e-4)
    assert (found["a"] - found["weighted"]).abs().mean() < 0.1


def test_hidden_tokens_are_nan_and_visible_ones_in_their_place():
    x = tokens(5)
    got = colour_maps({"a": x}, GRID, mask=MASK)["a"].flatten(1, 3)
    assert torch.equal(got.isnan().all(-1), MASK.hidden) and torch.equal(got.isnan().any(-1), MASK.hidden)
    want = principal(x).colours(x)
    assert torch.equal(MASK.visible(got), want)


def test_half_precision_features_have_nearly_the_same_colours():
    got, want = colour_maps({"a": tokens().bfloat16()}, GRID)["a"], colour_maps({"a": tokens()}, GRID)["a"]
    assert (got - want).abs().max() < 0.05


def test_an_image_has_colours():
    assert colour_maps({"a": tokens(15)}, TokenGrid(1, 3, 5))["a"].shape == (2, 1, 3, 5, 3)


def test_features_of_other_counts_are_refused():
    with pytest.raises(ShapeError, match=r"'b' must be \(B, 30, D\) on a 2x3x5 grid without a mask, got \(2, 29, 6\)"):
        colour_maps({"a": tokens(), "b": tokens(29)}, GRID)
    with pytest.raises(ShapeError, match=r"'a' must be \(B, 5, D\) .* under this mask"):
        colour_maps({"a": tokens()}, GRID, mask=MASK)
    with pytest.raises(ShapeError, match="of 1 clips, those before of 2"):
        colour_maps({"a": tokens(), "b": tokens()[:1]}, GRID)
