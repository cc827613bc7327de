import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import ShapeError
from mvkit.eval.scorecard import MEASURES, Score


def test_cards_of_several_seeds_join_and_every_seed_has_its_mark():
    cards = [Score(name, "motion", "knn", value, 0.125) for name, value in [("untrained", 0.2), ("MVD", 0.5)]]
    cards += [Score("MVD", "motion", "knn", 0.7, 0.125)]
    found = viz.scores.of_scorecard(cards)
    assert np.allclose(found["values"]["kNN motion"]["MVD"], [0.5, 0.7])
    fig, data = viz.scores.comparison(**found)
    assert "untrained 0.200, MVD 0.600 (0.500 to 0.700)" in data.alt
    (seeds,) = [line for line in fig.axes[0].lines if line.get_marker() == "|"]
    assert np.allclose(seeds.get_xdata(), [0.5, 0.7])


def test_many_encoders_keep_their_names_on_the_page():
    states = ["untrained", "VideoMAE", "MVD", "AMD", "MaskAgain", "UMT", "image teacher"]
    values = {"kNN": {state: np.array([0.1 * n]) for n, state in enumerate(states)}}
    fig, _ = viz.scores.comparison(values, chance={"kNN": 0.1}, venue="cvpr-column")
    fig.canvas.draw()
    words = [text for legend in fig.legends for text in legend.get_texts()]
    assert [text.get_text() for text in words] == [*states, "chance"]
    assert all(text.get_window_extent().x1 <= fig.bbox.x1 for text in words)


def test_two_encoders_are_compared_seed_by_seed():
    values = {"kNN": {"VideoMAE": np.array([0.5, 0.3, 0.4]), "MVD": np.array([0.6, 0.2, 0.6])}}
    fig, data = viz.scores.paired(values, "VideoMAE", "MVD")
    joined = [line.get_xdata() for line in fig.axes[0].lines if len(line.get_xdata()) == 2]
    assert np.allclose(joined, [[0.5, 0.6], [0.3, 0.2], [0.4, 0.6]])
    assert "MVD minus VideoMAE" in data.alt and "+0.067, -0.100 to +0.200, higher in 2 of 3" in data.alt


def test_encoders_measured_on_other_seeds_are_not_paired():
    values = {"kNN": {"VideoMAE": np.array([0.5, 0.3]), "MVD": np.array([0.6])}}
    with pytest.raises(ShapeError, match="same seeds"):
        viz.scores.paired(values, "VideoMAE", "MVD")
    with pytest.raises(ShapeError, match="'AMD'"):
        viz.scores.paired(values, "VideoMAE", "AMD")


def test_every_measure_of_the_scorecard_has_a_name_in_figures():
    assert set(viz.scores.MEASURES) == set(MEASURES)
