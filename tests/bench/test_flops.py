"""The formulas say what torch counts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mvkit.bench import flops
from mvkit.bench.subjects import MEASURED, Subject
from mvkit.errors import OptionError


@pytest.fixture
def plain_attention(monkeypatch):
    """Attention in the two products of its definition: SDPA's backward pass on a CPU computes one of them again."""

    def attention(q, k, v):
        return ((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)).softmax(-1) @ v

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attention)
    # The counter does not know oneDNN's own operator.
    monkeypatch.setattr("mvkit.models.linear.prefers_onednn", lambda: False)


@pytest.mark.parametrize("name", MEASURED)
def test_a_formula_is_what_the_matrix_products_of_a_step_cost(name, plain_attention):
    batch = 2
    subject = Subject(name, "tiny", batch=batch, frames=4, image=48)
    said = flops.of(subject.method) * batch
    with FlopCounterMode(display=False) as counter:
        loss = subject.loss()
        forward = counter.get_total_flops()
        loss.backward()
    assert said.forward == pytest.approx(forward, rel=0.005)
    assert said.total == pytest.approx(counter.get_total_flops(), rel=0.005)


def test_videomae_small_at_16x224_is_the_leaner_part_of_the_official_67_gflop():
    subject = Subject("videomae", "small", batch=1)
    assert flops.of(subject.method).total / 1e9 == pytest.approx(62.3, abs=1.5)


def test_a_method_without_a_formula_is_refused_by_name():
    class Other(torch.nn.Module):
        pass

    with pytest.raises(OptionError, match="unknown method with a formula"):
        flops.of(Other())  # type: ignore[arg-type]
