import json

import pytest
import torch

from mvkit.eval.metrics import Accuracy, accuracy
from mvkit.eval.outcome import Outcome, Row, exact, over_seeds


def outcome(value: float, **more) -> Outcome:
    rows = (
        Row({"shown": "clip", "kind": "all"}, {"accuracy": Accuracy(value, value - 0.1, value + 0.1, 50)}),
        Row({"shown": "chance", "kind": "all"}, {"accuracy": exact(0.25, 50)}),
    )
    return Outcome("choice", rows, {"clips that cannot be read": ["a.mp4: cut off", "b.mp4: gone"]}, more)


def test_results_are_written_with_intervals_and_counts(tmp_path):
    said = json.loads(outcome(0.5, split="val").write(tmp_path / "new" / "folder").read_text())
    assert said["task"] == "choice" and said["spec"] == {"split": "val"}
    assert said["scores"][0] == {
        "of": {"shown": "clip", "kind": "all"},
        "accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "clips": 50, "level": 0.95},
    }
    assert said["left_out"] == {"clips that cannot be read": 2}
    assert said["left_out_names"]["clips that cannot be read"][1] == "b.mp4: gone"


def test_the_table_has_a_line_a_row_and_names_what_is_left_out():
    lines = str(outcome(0.5)).splitlines()
    assert lines[0].split() == ["shown", "kind", "accuracy"]
    assert lines[1].endswith("0.5 [0.4, 0.6]") and lines[2].endswith("0.25")
    assert lines[3] == "2 clips that cannot be read: a.mp4: cut off; b.mp4: gone"
    assert outcome(0.5).records()[0]["accuracy_low"] == 0.4


def test_a_notebook_shows_the_table_as_a_table_and_names_what_is_left_out():
    shown = Outcome("retrieval", (Row({"way": "clips_to_texts", "shown": "<b>"}, {"recall@1": exact(0.5, 2)}),),
                    {"clips that cannot be read": ["a&b.mp4"]})._repr_html_()  # fmt: skip
    assert shown.count("<th>") == 3 and "<td>clips to texts</td><td>&lt;b&gt;</td><td>0.5</td>" in shown
    assert shown.endswith("<p>1 clips that cannot be read: a&amp;b.mp4</p>")


def test_one_score_is_found_by_its_words_and_several_are_refused():
    assert outcome(0.5).score("accuracy", shown="clip") == 0.5
    with pytest.raises(KeyError, match="2 scores"):
        outcome(0.5).score("accuracy", kind="all")


def test_seeds_keep_their_rows_and_add_the_mean_from_the_lowest_to_the_highest():
    found = over_seeds({0: outcome(0.5), 3: outcome(0.8), 4: outcome(0.5)})
    assert [row.of.get("seed") for row in found.rows] == [0, 3, 4, "mean", None]
    mean = found.rows[3].values["accuracy"]
    assert (round(mean.value, 6), mean.low, mean.high) == (0.6, 0.5, 0.8)
    assert found.spec["seeds"] == [0, 3, 4]
    assert over_seeds({7: outcome(0.5)}).rows == outcome(0.5).rows


def test_the_interval_of_a_median_is_that_of_medians():
    import numpy as np

    found = accuracy(torch.tensor([1, 2, 3, 100]), statistic=np.median)
    assert found.value == 2.5 and 1 <= found.low < 2.5 < found.high <= 100
