"""One thing is changed at a time; processes share one step."""

import pytest

from mvkit.bench.scale import bench_scale
from mvkit.errors import OptionError

BASE = {"batch": 2, "frames": 4, "image": 48, "ratio": 0.75}


def test_each_axis_is_walked_alone_and_processes_are_counted():
    record = bench_scale(
        size="tiny", axes={"batch": (1, 3), "frames": (4, 8)}, base=BASE, processes=(2,), rounds=1, clock="cpu",
        progress=lambda line: None,
    )  # fmt: skip
    rows = record["results"]
    assert [(row["axis"], row["value"]) for row in rows] == [("batch", 1), ("batch", 3), ("frames", 4), ("frames", 8)]
    assert [row["frames"] for row in rows] == [4, 4, 4, 8]
    assert rows[0]["gflop_per_clip"] == rows[1]["gflop_per_clip"] < rows[3]["gflop_per_clip"]
    (both,) = record["processes"]
    assert both["processes"] == 2 and both["clips_per_s"] > 0


def test_an_unknown_axis_is_refused():
    with pytest.raises(OptionError, match="'width' is nothing to scale by; there are: batch, frames, image, ratio"):
        bench_scale(axes={"width": (1, 2)})
