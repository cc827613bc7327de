import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.losses import normalise_pixels, pixel_loss


def test_targets_have_mean_zero_and_unbiased_deviation_one_per_token_and_channel():
    pixels = torch.rand(2, 5, 32 * 3, generator=torch.Generator().manual_seed(0))
    parts = normalise_pixels(pixels).unflatten(-1, (32, 3))
    assert torch.allclose(parts.mean(-2), torch.zeros(2, 5, 3), atol=1e-5)
    assert torch.allclose(parts.std(-2), torch.ones(2, 5, 3), atol=1e-4)


def test_targets_match_the_loop_written_by_hand():
    pixels = torch.rand(1, 2, 8 * 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    got = normalise_pixels(pixels)
    for token in range(2):
        for channel in range(3):
            values = pixels[0, token, channel::3]
            wanted = (values - values.mean()) / (values.var(unbiased=True).sqrt() + 1e-6)
            assert torch.allclose(got[0, token, channel::3], wanted, atol=1e-12)


def test_a_flat_patch_becomes_zero_and_not_infinite():
    assert torch.equal(normalise_pixels(torch.full((1, 1, 24), 0.5)), torch.zeros(1, 1, 24))


def test_the_loss_is_a_plain_mean_in_float32_and_refuses_to_broadcast():
    a, b = torch.rand(2, 3, 4).bfloat16(), torch.rand(2, 3, 4)
    assert pixel_loss(a, b).dtype == torch.float32
    assert torch.allclose(pixel_loss(a, b), ((a.float() - b) ** 2).mean())
    with pytest.raises(ShapeError, match="must be the same"):
        pixel_loss(a, b[:1])
