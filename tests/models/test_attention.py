"""Attention by blocks of oneDNN's products gives SDPA's values and gradients; what is chosen hangs on sizes."""

import pytest
import torch
import torch.nn.functional as F

from mvkit.models import attention as module
from mvkit.models import linear
from mvkit.models.attention import BLOCK_TOKENS, attention

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN to compare with"
)


@pytest.fixture(autouse=True)
def onednn(monkeypatch):
    monkeypatch.setattr(linear, "prefers_onednn", lambda: True)


@pytest.fixture
def blocks(monkeypatch):
    """How often blocks were asked for, of at most 1,000 weights instead of 400,000."""
    monkeypatch.setattr(module, "_CACHED", 1000)
    asked, cut = [], module._blocks

    def count(q, k):
        asked.append(cut(q, k))
        return asked[-1]

    monkeypatch.setattr(module, "_blocks", count)
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
    assert sum(len(range(rows)[part]) for _, part in blocks[0]) == 6 * rows
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
