"""Attention by blocks of oneDNN's products gives SDPA's values and gradients; what is chosen hangs on sizes."""

import pytest
import torch
import torch.nn.functional as F

from mvkit.models import attention as module
from mvkit.models import linear
from mvkit.models.attention import BLOCK_TOKENS, PLAIN_TOKENS, attention

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN to compare with"
)


@pytest.fixture(autouse=True)
def onednn(monkeypatch):
    monkeypatch.setattr(linear, "prefers_onednn", lambda: True)


@pytest.fixture
def blocks(monkeypatch):
    """Queries of a block, each time they were asked for; of some 1,000 weights instead of 400,000 and 4,000,000."""
    monkeypatch.setattr(module, "_CACHED", 1000)
    monkeypatch.setattr(module, "_CACHED_BF16", 6000)
    asked, cut = [], module._block_rows

    def count(q, k, weights):
        asked.append(cut(q, k, weights))
        return asked[-1]

    monkeypatch.setattr(module, "_block_rows", count)
    return asked


def parts(rows: int, columns: int, width: int = 8) -> list[torch.Tensor]:
    """q, k and v of two clips and three heads, as they lie in memory after one map has made them all."""
    g = torch.Generator().manual_seed(0)
    made = torch.randn(2, columns, 9 * width, generator=g).unflatten(2, (3, 3, width)).permute(2, 0, 3, 1, 4)
    return [made[0][:, :, columns - rows :], made[1], made[2]]


@pytest.mark.parametrize(("rows", "columns"), [(331, 331), (7, 401), (330, 359)])
def test_values_and_gradients_are_those_of_sdpa(blocks, rows, columns):
    found = []
    for call in (attention, F.scaled_dot_product_attention):
        leaves = [part.clone().requires_grad_() for part in parts(rows, columns)]
        out = call(*leaves)
        (out * torch.linspace(-1, 1, rows)[:, None]).sum().backward()
        found.append([out, *(leaf.grad for leaf in leaves)])
    assert len(blocks) == 2
    assert all(1 <= size < rows for size in blocks)
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_few_tokens_and_other_precisions_are_left_to_torch(blocks):
    attention(*parts(5, BLOCK_TOKENS - 1))
    attention(*(part.double() for part in parts(5, BLOCK_TOKENS)))
    assert not blocks
    attention(*parts(5, BLOCK_TOKENS))
    assert len(blocks) == 1


def test_without_gradient_nothing_is_kept(blocks):
    q, k, v = parts(9, 350)
    with torch.inference_mode():
        assert attention(q, k, v).grad_fn is None


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(531, 531), (11, 601), (13, 77)])
def test_training_in_bf16_is_as_near_to_the_truth_as_logits_of_eight_bits_allow(blocks, rows, columns, autocast):
    leaves = [part.bfloat16().requires_grad_() for part in parts(rows, columns)]
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    slope = torch.linspace(-1, 1, rows)[:, None].bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out = attention(*leaves)
    out.backward(slope.expand_as(out))
    out = out.detach()
    truth = F.scaled_dot_product_attention(*exact)
    truth.backward(slope.double().expand_as(truth))
    truth = truth.detach()
    assert len(blocks) == 2 * (columns > PLAIN_TOKENS)
    assert out.dtype is torch.bfloat16
    pairs = zip([out, *(leaf.grad for leaf in leaves)], [truth, *(leaf.grad for leaf in exact)], strict=True)
    assert all(float((ours.double() - theirs).norm() / theirs.norm()) < 0.02 for ours, theirs in pairs)


def test_blocks_of_bf16_keep_no_weights_for_the_backward_pass(blocks):
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x.numel()), x)[1], lambda x: x):
        attention(*(part.bfloat16().requires_grad_() for part in parts(600, 600)))
    assert blocks
    assert max(kept) == 2 * 3 * 600 * 8


def test_training_in_bf16_takes_no_queries_at_all():
    q, k, v = (part.bfloat16().requires_grad_() for part in parts(3, PLAIN_TOKENS + 1))
    assert attention(q[:, :, :0], k, v).shape == (2, 3, 0, 8)
