import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import RunError, ShapeError
from mvkit.viz.curves import of_journal, parts_of_journal, smooth


def test_smoothing_is_a_centred_mean_that_keeps_ends_and_lines():
    line = np.arange(9.0)
    assert np.allclose(smooth(line, 5), line)
    bumped = np.array([0.0, 0, 3, 0, 0])
    assert np.allclose(smooth(bumped, 3), [0, 1, 1, 1, 0])
    assert np.allclose(smooth(bumped, 1), bumped)


def test_a_journal_becomes_what_the_figure_takes():
    lines = [
        {"step": 0, "monitor/motion": 0.1},
        {"step": 5, "loss": 2.0, "lr": 0.1},
        {"step": 10, "loss": 1.0, "lr": 0.05},
        {"step": 10, "monitor/motion": 0.3},
    ]
    found = of_journal(lines)
    assert found["steps"].tolist() == [5, 10] and found["loss"].tolist() == [2, 1]
    assert np.allclose(found["monitors"]["motion"], [[0, 0.1], [10, 0.3]])
    _, data = viz.curves.training(**found)
    assert "0.10 to 0.30" in data.alt


def test_a_journal_without_a_loss_is_refused():
    with pytest.raises(RunError, match="no line with a loss"):
        of_journal([{"step": 0, "monitor/motion": 0.1}])


def test_steps_and_losses_of_different_lengths_are_refused():
    with pytest.raises(ShapeError, match="one length"):
        viz.curves.training(np.arange(3.0), np.arange(4.0))


def test_legends_stand_above_their_panels_where_no_line_can_strike_them():
    loss = np.linspace(1, 0.1, 30)
    fig, _ = viz.curves.training(
        np.arange(30.0),
        loss,
        references={"nearest visible token": 0.9, "mean of visible pixels": 0.95},
        monitors={"motion": np.stack([np.arange(3.0), np.full(3, 0.2)], 1)},
        chance={"motion": 0.12},
    )
    fig.canvas.draw()
    for axes in fig.axes:
        if (legend := axes.get_legend()) is not None:
            there = legend.get_window_extent()
            assert there.y0 >= axes.bbox.y1 - 1 and there.x1 <= fig.bbox.x1 and there.y1 <= fig.bbox.y1


def test_parts_of_a_journal_have_a_panel_each_beside_the_total():
    lines = [{"step": n, "loss": 3.0 / n, "part/direct": 2.0 / n, "part/pixels": 1.0 / n, "lr": 0.1} for n in (1, 2, 4)]
    lines.insert(1, {"step": 1, "monitor/motion": 0.5})
    lines[-1].pop("part/pixels")
    found = parts_of_journal(lines)
    assert list(found["parts"]) == ["direct", "pixels"] and np.isnan(found["parts"]["pixels"][-1])
    fig, data = viz.curves.parts(**found, weights={"direct": 0.5})
    assert [axes.get_title(loc="left") for axes in fig.axes] == ["total", "direct (× 0.5)", "pixels"]
    assert "direct from 2 to 0.5." in data.alt and "pixels from 1 to 0.5." in data.alt


def test_parts_of_another_length_than_the_steps_are_refused():
    with pytest.raises(ShapeError, match="one length"):
        viz.curves.parts(np.arange(3.0), np.arange(3.0), {"direct": np.arange(2.0)})


def test_a_part_that_was_never_finite_leaves_its_panel_empty():
    _, data = viz.curves.parts(np.ones(1), np.ones(1), {"direct": np.full(1, np.nan)}, log=True)
    assert "direct was never finite." in data.alt
