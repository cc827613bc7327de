import numpy as np
import pytest

from mvkit.errors import ShapeError
from mvkit.viz import cost

POINTS = {
    "MVD": np.array([[10.0, 0.5], [12, 0.7]]),
    "VideoMAE": np.array([[5.0, 0.4]]),
    "AMD": np.array([[20.0, 0.55]]),
}


def test_the_front_holds_those_that_no_other_beats():
    means = {"a": (1, 0.2), "b": (2, 0.5), "c": (3, 0.5), "d": (4, 0.4), "e": (2, 0.3), "f": (9, 0.6)}
    assert cost.pareto(means) == ["a", "b", "f"]


def test_marks_stand_at_the_means_with_bars_over_seeds():
    fig, data = cost.accuracy(POINTS, chance=0.125)
    axes = fig.axes[0]
    assert axes.get_xscale() == "log"
    lines = [np.array(line.get_xydata()) for line in axes.lines]
    assert any(np.allclose(line, [[11, 0.6]]) for line in lines)
    assert any(np.allclose(line, [[11, 0.5], [11, 0.7]]) for line in lines)
    assert "MVD 0.600 (0.500 to 0.700) at 11" in data.alt and "cheaper: VideoMAE, MVD." in data.alt
    words = [text.get_text() for legend in fig.legends for text in legend.get_texts()]
    assert words == [*POINTS, "none better and cheaper", "lowest to highest seed", "chance"]


def test_runs_of_one_method_share_their_look_and_a_line():
    fig, _ = cost.accuracy({"short": POINTS["MVD"], "long": POINTS["AMD"]}, series={"short": "MVD", "long": "MVD"},
                           front=False)  # fmt: skip
    words = [text.get_text() for legend in fig.legends for text in legend.get_texts()]
    assert words == ["MVD", "lowest to highest seed"]
    assert any(np.allclose(line.get_xydata(), [[11, 0.6], [20, 0.55]]) for line in fig.axes[0].lines)


def test_a_cost_of_nothing_is_refused_where_the_axis_is_logarithmic():
    free = {"untrained": np.array([[0.0, 0.2]])}
    with pytest.raises(ShapeError, match="log=False"):
        cost.accuracy(free)
    assert "0.200 at 0" in cost.accuracy(free, log=False)[1].alt
