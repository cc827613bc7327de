import pytest
import torch

from mvkit.errors import OptionError, ShapeError
from mvkit.losses import alignment_loss, unit


def pair():
    draws = torch.Generator().manual_seed(0)
    return (unit(torch.randn(2, 3, 5, 7, generator=draws)) for _ in range(2))


def test_unit_vectors_have_length_one_in_float32():
    vectors = unit(torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)).bfloat16())
    assert vectors.dtype == torch.float32
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(2, 3))


def test_l2_is_the_squared_distance_summed_over_channels_and_averaged_over_the_rest():
    a, b = pair()
    wanted = [((x - y) ** 2).sum() for x, y in zip(a.reshape(-1, 7), b.reshape(-1, 7), strict=True)]
    assert torch.allclose(alignment_loss(a, b, "l2"), torch.stack(wanted).mean(), atol=1e-6)


def test_mse_is_l2_divided_by_the_number_of_channels():
    a, b = pair()
    assert torch.allclose(alignment_loss(a, b, "mse"), alignment_loss(a, b, "l2") / 7, atol=1e-6)


def test_smooth_l1_matches_the_loop_written_by_hand():
    a, b = pair()
    b = 2 * b  # so that some differences exceed 1
    wanted = [0.5 * d * d if d < 1 else d - 0.5 for d in (a - b).abs().flatten().tolist()]
    assert max((a - b).abs().flatten().tolist()) > 1
    assert alignment_loss(a, b, "smooth_l1").item() == pytest.approx(sum(wanted) / len(wanted), abs=1e-6)


def test_vectors_that_agree_cost_nothing_and_orthogonal_ones_two():
    axes = torch.eye(4)
    assert alignment_loss(axes, axes).item() == 0
    assert alignment_loss(axes, axes.roll(1, 0)).item() == 2


def test_other_shapes_and_unknown_kinds_are_refused():
    a, b = pair()
    with pytest.raises(ShapeError, match="must be the same"):
        alignment_loss(a, b[:1])
    with pytest.raises(OptionError, match="alignment loss 'l1'"):
        alignment_loss(a, b, "l1")
