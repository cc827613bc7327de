"""Ours against transformers' VideoMAE: it is the same model, and what is recorded says so."""

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

from mvkit.bench.peer import Pair, bench_peer


def test_both_give_the_same_predictions_loss_and_gradients():
    found = Pair(size="tiny", batch=2, frames=4, image=48).differences()
    assert found["predictions"] < 1e-5
    assert found["loss"] < 1e-6
    assert found["gradients_relative"] < 1e-4


def test_ratios_and_memory_are_recorded_with_the_machine():
    lines = []
    record = bench_peer(size="tiny", batch=2, frames=4, image=48, rounds=2, clock="cpu", progress=lines.append)
    for name in ("ratio_fp32", "ratio_bf16", "ratio_bf16_own"):
        assert 0 < record[f"{name}_low"] <= record[f"{name}_median"] <= record[f"{name}_high"]
    rows = {row["step"]: row for row in record["results"]}
    assert set(rows) == {f"{who} {precision}" for who in ("ours", "theirs") for precision in ("fp32", "bf16")}
    assert all(row["activations_mb"] > 0 for row in rows.values())
    assert record["machine"]["matmul_gflops_fp32"] > 0
    assert any(line.startswith("ratio_fp32") for line in lines)
