import json

import pytest

from mvkit import maskers
from mvkit.bench import bench_masks
from mvkit.errors import OptionError


def test_every_masker_is_measured_against_a_step_and_written_down(tmp_path):
    out = tmp_path / "masks.json"
    costs = list(bench_masks(size="tiny", batch=2, part=1, rounds=1, out=out))
    assert [cost.masker for cost in costs] == list(maskers.available())
    assert all(0 < cost.low <= cost.share <= cost.high for cost in costs)
    said = json.loads(out.read_text())
    assert len(said["results"]) == len(costs) and said["batch"] == 2


def test_a_part_larger_than_the_batch_is_refused():
    with pytest.raises(OptionError, match="part must lie between 1 and batch=2"):
        next(bench_masks(batch=2, part=3))
