"""Steps are measured and held against the machine; memory is counted, not guessed."""

import pytest
import torch

from mvkit.bench.memory import activations, peak
from mvkit.bench.step import bench_step
from mvkit.bench.subjects import Subject
from mvkit.errors import OptionError


def test_a_row_for_each_method_size_and_precision():
    lines = []
    record = bench_step(
        names=["videomae", "umt"], sizes=["tiny"], batch=2, frames=4, image=48, precisions=["fp32", "bf16"],
        rounds=1, clock="cpu", progress=lines.append,
    )  # fmt: skip
    rows = record["results"]
    assert [(row["method"], row["precision"]) for row in rows] == [
        ("videomae", "fp32"), ("videomae", "bf16"), ("umt", "fp32"), ("umt", "bf16"),
    ]  # fmt: skip
    for row in rows:
        assert 0 < row["fraction"] < 1
        assert row["clips_per_s"] == pytest.approx(2000 / row["ms_median"], rel=0.01)
    assert len(lines) == 4 and lines[0].startswith("videomae tiny fp32, batch 2")


def test_unknown_names_are_refused():
    with pytest.raises(OptionError, match="unknown measured method 'videoame'; did you mean 'videomae'"):
        Subject("videoame")
    with pytest.raises(OptionError, match="unknown variant"):
        Subject("videomae", "tiny", variant="quick")


def test_activations_are_the_storages_kept_for_the_backward_pass_without_the_weights():
    linear = torch.nn.Linear(300, 200)
    x = torch.randn(500, 300, requires_grad=True)
    # Kept: x for the weight's gradient, and what relu gave; the weight is the model's own.
    assert activations(lambda: linear(x).relu(), linear) == pytest.approx(4e-6 * (500 * 300 + 500 * 200))


def test_the_peak_forgets_what_was_held_before():
    large = torch.ones(50_000_000)
    del large
    least = peak(lambda: None)
    if least is None:
        pytest.skip("this system does not let a process reset its peak memory")
    most = peak(lambda: torch.ones(50_000_000))
    assert most is not None and 150 < most - least < 250
