"""Readers and loader are measured on files made for it, against decord with PIL and the appetite of a step."""

import numpy as np
import pytest

from mvkit.bench import videos
from mvkit.bench.data import _decord_pil, _numbers, _ours, bench_data
from mvkit.data import readers_available
from mvkit.errors import OptionError

TINY = {"frames": 4, "stride": 2, "size": 48}


def test_readers_loader_and_memory_are_recorded():
    lines = []
    record = bench_data(
        files=2, **TINY, workers=(0,), clips=8, memory_clips=10, readers=["av"], rounds=1, clock="cpu", step="tiny",
        progress=lines.append,
    )  # fmt: skip
    assert {(row["files"], row["reader"]) for row in record["results"]} >= {("kit", "auto"), ("web", "av")}
    assert all(row["clips_per_s_median"] > 0 for row in record["results"])
    (loader,) = record["loader"]
    assert loader["ratio_to_appetite_fp32"] > 0
    (memory,) = record["memory"]
    assert len(memory["every_tenth_mb"]) == 10
    assert lines


def test_the_baseline_makes_the_clip_that_ours_makes_within_a_grey_level(tmp_path):
    if "decord" not in readers_available():
        pytest.skip("decord is not installed")
    path = videos.make(tmp_path, files=1, frames=40)["kit"][0]
    numbers = _numbers(path, TINY, 3)
    ours, theirs = _ours("av", 48, {}, path, numbers, 3).numpy(), _decord_pil(48, path, numbers, 3).numpy()
    assert ours.shape == theirs.shape == (4, 3, 48, 48)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


def test_a_reader_that_does_not_load_is_refused():
    with pytest.raises(OptionError, match="reader 'opencv' does not load here"):
        bench_data(readers=["opencv"])
