"""Bars and curves of measurements: everything measured is in the drawing, and in its words."""

import numpy as np
import pytest

from mvkit.errors import ShapeError
from mvkit.viz import benchmarks


def test_a_bar_ends_at_the_median_and_its_line_spans_the_rounds():
    values = {"fp32": {"small": np.array([0.6, 0.5, 0.7]), "base": np.array([0.4, 0.3, 0.45])}}
    fig, data = benchmarks.bars(values, what="share", line=0.55, line_label="wanted")
    axes = fig.axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.6, 0.4])
    assert axes.lines[0].get_xdata() == pytest.approx([0.5, 0.7])
    assert "fp32 small: 0.6 (0.5 to 0.7)" in data.alt
    again, _ = data.redraw()
    assert again.get_size_inches() == pytest.approx(fig.get_size_inches())


def test_growth_divides_each_cost_by_its_smallest_value():
    panels = {"batch": {"values": np.array([1.0, 2, 4]), "time": np.array([30.0, 20, 10])}}
    fig, data = benchmarks.growth(panels)
    assert fig.axes[0].lines[0].get_ydata() == pytest.approx([3, 2, 1])
    assert "batch 1 to 4: time times 3" in data.alt


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="median, lowest and highest"):
        benchmarks.bars({"fp32": {"small": np.array([0.6])}}, what="share")
    with pytest.raises(ShapeError, match="growth needs axis"):
        benchmarks.growth({"batch": {"values": np.array([1.0, 2]), "time": np.array([30.0])}})
