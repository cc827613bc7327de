import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import ShapeError
from mvkit.eval.metrics import Accuracy
from mvkit.eval.outcome import Outcome, Row, exact
from mvkit.inspect.evaluated import Evaluated
from mvkit.viz.outcome import efficiency, intervals, of_evaluated, of_few, of_tasks

SCORES = {"clip": Accuracy(0.5, 0.375, 0.625, 8), "one frame": Accuracy(0.25, 0.125, 0.375, 8)}


def evaluated(task, *bands) -> Evaluated:
    outcome = Outcome(task, (), spec={"train_clips": 32})
    return Evaluated(outcome, "accuracy", dict.fromkeys(bands, SCORES), dict.fromkeys(bands, 0.125), {})


def test_every_score_has_its_interval_and_chance_its_line():
    fig, data = intervals(**of_evaluated(evaluated("qa", "all", "motion")))
    lines = [line.get_xdata().tolist() for line in fig.axes[0].lines]
    assert [0.375, 0.625] in lines and [0.125, 0.125] in lines
    assert "all: clip 0.50 (0.38 to 0.62), one frame 0.25" in data.alt


def test_scores_of_several_tasks_stand_in_one_drawing():
    ways = (
        {"scores": "cosine", "way": "there"},
        {"scores": "match", "way": "there"},
        {"scores": "cosine", "way": "back"},
    )
    rows = [Row({"shown": name, **way}, {"recall@1": one}) for way in ways for name, one in SCORES.items()]
    rows.append(Row({"shown": "chance", "scores": "", "way": "there"}, {"recall@1": exact(0.125, 8)}))
    asked = {"there": ("search", {"scores": "match", "way": "there"}), "choice": ("choice", {})}
    found = of_tasks({"search": Outcome("search", tuple(rows))}, asked)
    assert list(found["values"]) == ["there"] and found["chance"] == {"there": 0.125}
    assert found["values"]["there"]["one frame"].tolist() == [0.25, 0.125, 0.375]


def test_few_labels_are_a_curve_with_all_of_them_at_their_mean():
    found = of_few(evaluated("few_shot", "probe, motion, 1", "probe, motion, all"))
    assert found["values"]["probe, motion"]["clip"][:, 0].tolist() == [1, 4]  # 32 clips of 8 classes
    fig, data = efficiency(**found)
    assert fig.axes[0].get_title(loc="left") == "probe, motion" and found["chance"] == {"probe, motion": 0.125}
    assert [tick.get_text() for tick in fig.axes[0].get_xticklabels()] == ["1", "4"]
    assert "most labels: clip 0.50 (0.38 to 0.62)" in data.alt


@pytest.mark.parametrize("draw", ["intervals", "efficiency"])
def test_they_are_drawn_again_from_their_records_alone(draw, tmp_path):
    drawn = {
        "intervals": lambda: intervals(**of_evaluated(evaluated("qa", "all"))),
        "efficiency": lambda: efficiency(**of_few(evaluated("few_shot", "probe, motion, 1", "probe, motion, 2"))),
    }[draw]()
    saved = viz.save(drawn[0], draw, tmp_path, data=drawn[1], caption="Scores.")
    assert viz.rebuild(saved.json, tmp_path / "again").same_bytes


def test_arrays_of_another_size_are_refused():
    with pytest.raises(ShapeError, match="value, low, high"):
        intervals({"all": {"clip": np.zeros(2)}})
    with pytest.raises(ShapeError, match="labels, value"):
        efficiency({"all": {"clip": np.zeros((2, 3))}})
