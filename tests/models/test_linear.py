"""Both libraries give the same linear map and gradients; which one is asked hangs on the processor alone."""

import pytest
import torch
import torch.nn.functional as F

from mvkit.models import linear as module
from mvkit.models.linear import Linear, linear

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN to compare with"
)


@pytest.fixture(autouse=True)
def onednn(monkeypatch):
    monkeypatch.setattr(module, "prefers_onednn", lambda: True)


@pytest.mark.parametrize("with_bias", [True, False])
# (3, 10, 7): so many rows that the smaller of two transposed copies is another one
@pytest.mark.parametrize("shape", [(5, 7), (2, 5, 7), (3, 10, 7), (1, 7), (0, 5, 7)])
def test_values_and_gradients_are_those_of_torch(shape, with_bias):
    g = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*size, generator=g) for size in (shape, (11, 7), (11,)))
    found = []
    for call in (linear, F.linear):
        leaves = [part.clone().requires_grad_() for part in (x, weight, bias)[: 3 if with_bias else 2]]
        out = call(*leaves)
        (out * torch.arange(11)).sum().backward()
        found.append([out, *(leaf.grad for leaf in leaves)])
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape and ours.stride() == theirs.stride()
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_transposed_input_and_a_slice_of_a_weight_are_taken():
    x, weight = torch.randn(7, 5).t(), torch.randn(20, 7)[3:14]
    torch.testing.assert_close(linear(x, weight), F.linear(x, weight))


def test_autocast_is_left_to_torch():
    layer = Linear(7, 11)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.randn(5, 7)).dtype is torch.bfloat16


def test_no_gradient_is_made_for_what_wants_none():
    x, weight = torch.randn(5, 7), torch.randn(11, 7, requires_grad=True)
    linear(x, weight).sum().backward()
    assert x.grad is None and weight.grad is not None
