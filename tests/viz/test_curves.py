import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import RunError, ShapeError
from mvkit.viz.curves import of_journal, smooth


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
