"""Against loops that do one row at a time."""

import pytest
import torch

from mvkit.errors import OptionError
from mvkit.losses.remasking import keep_top, remask_global, remask_local
from mvkit.models.block import AttentionHeads

B, C, STEPS, EACH, D = 2, 3, 2, 4, 5
V = STEPS * EACH


@pytest.fixture
def heads():
    g = torch.Generator().manual_seed(0)
    return AttentionHeads(torch.randn(B, C, V, V, generator=g), torch.randn(B, C, V, D, generator=g))


def strongest(row: torch.Tensor, k: int) -> list[int]:
    return sorted(range(len(row)), key=lambda j: -row[j].item())[:k]


def test_global_rows_are_a_softmax_over_the_kept_keys_alone(heads):
    got = remask_global(heads, 3, temperature=2.0)
    for b, c, i in ((0, 0, 0), (1, 2, 5)):
        row = heads.logits[b, c, i] / 2.0
        kept = strongest(row, 3)
        weights = row[kept].softmax(0)
        assert torch.allclose(got.summed[b, c, i], weights @ heads.values[b, c, kept], atol=1e-6)
        assert got.kept[b, c, i].nonzero()[:, 0].tolist() == sorted(kept)


@pytest.mark.parametrize("order", ["frame", "strided"])
def test_local_rows_have_a_softmax_of_their_own_for_each_step(heads, order):
    got = remask_local(heads, 2, steps=STEPS, value_order=order)
    for b, c, i, f in ((0, 1, 3, 0), (1, 0, 7, 1)):
        row = heads.logits[b, c, i, f * EACH : (f + 1) * EACH]
        kept = strongest(row, 2)
        weights = row[kept].softmax(0)
        places = [f * EACH + d if order == "frame" else d * STEPS + f for d in kept]
        assert torch.allclose(got.summed[b, c, i, f], weights @ heads.values[b, c, places], atol=1e-6)


def test_keeping_every_key_is_ordinary_attention(heads):
    got = remask_global(heads, V)
    assert torch.allclose(got.summed, heads.weights @ heads.values, atol=1e-6)
    assert torch.allclose(got.mass, torch.ones(B, C, V))


def test_one_step_is_the_whole_clip(heads):
    whole, local = remask_global(heads, 3), remask_local(heads, 3, steps=1)
    assert torch.allclose(whole.summed, local.summed[..., 0, :], atol=1e-6)


def test_ties_keep_more():
    assert keep_top(torch.tensor([[1.0, 2.0, 2.0, 0.0]]), 1).tolist() == [[False, True, True, False]]


@pytest.mark.parametrize("k", [0, 5])
def test_more_or_fewer_than_there_are_is_refused(k):
    with pytest.raises(OptionError, match=f"k={k} of 4"):
        keep_top(torch.zeros(1, 4), k)


def test_tokens_that_do_not_divide_into_steps_are_refused(heads):
    with pytest.raises(OptionError, match="8 visible tokens do not divide into 3 steps"):
        remask_local(heads, 1, steps=3)
