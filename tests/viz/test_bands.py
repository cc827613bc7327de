import numpy as np
import pytest

from mvkit.errors import OptionError, RunError, ShapeError
from mvkit.viz import bands

STEPS = np.array([0.0, 5, 10])


def table(*runs) -> np.ndarray:
    return np.stack([STEPS, *runs], 1)


def edges(fig) -> tuple[float, float]:
    """Lowest and highest of the band at the last step."""
    (band,) = fig.axes[0].collections
    there = band.get_paths()[0].vertices
    last = there[np.isclose(there[:, 0], 10)][:, 1]
    return float(last.min()), float(last.max())


def test_the_line_is_the_mean_and_the_band_what_it_says():
    runs = [STEPS + 1, STEPS + 2, STEPS + 6]
    fig, data = bands.seeds({"loss": {"MVD": table(*runs)}})
    assert np.allclose(fig.axes[0].lines[0].get_ydata(), STEPS + 3)
    assert edges(fig) == pytest.approx((11, 16))
    assert "mean of 3 seeds; band: lowest to highest seed" in data.alt and "to 13 (11 to 16)" in data.alt
    fig, data = bands.seeds({"loss": {"MVD": table(*runs)}}, band="std")
    spread = np.std([1, 2, 6], ddof=1)
    assert edges(fig) == pytest.approx((13 - spread, 13 + spread), rel=1e-5)
    assert "one standard deviation" in data.alt
    assert "band: one standard deviation" in " ".join(text.get_text() for text in fig.texts)


def test_one_seed_claims_no_band():
    fig, data = bands.seeds({"loss": {"MVD": table(STEPS)}}, band="std")
    assert "one seed, so no band" in data.alt and edges(fig) == (10, 10)


def test_each_seed_is_smoothed_before_the_mean_only_where_asked():
    bumped = np.array([0.0, 3, 0])
    fig, data = bands.seeds({"loss": {"MVD": table(bumped, bumped)}}, smoothing=1.0)
    assert np.allclose(fig.axes[0].lines[0].get_ydata(), [0, 1, 0]) and "averaged over 100%" in data.alt


def test_journals_meet_at_the_steps_that_every_seed_has():
    first = [{"step": 0, "monitor/motion": 0.1}, {"step": 5, "loss": 2.0}, {"step": 10, "loss": 1.0}]
    other = [{"step": 0, "monitor/motion": 0.3}, {"step": 10, "loss": 3.0}]
    found = bands.of_journals({"MVD": [first, other]}, ("loss", "monitor/motion", "part/direct"))["values"]
    assert found["loss"]["MVD"].tolist() == [[10, 1, 3]]
    assert np.allclose(found["motion"]["MVD"], [[0, 0.1, 0.3]])
    assert "direct" not in found
    with pytest.raises(RunError, match="share no step"):
        bands.of_journals({"MVD": [first[:2], other]})
    with pytest.raises(RunError, match="no journal has any"):
        bands.of_journals({"MVD": [first]}, ["part/direct"])


def test_a_table_without_a_seed_or_an_unknown_band_is_refused():
    with pytest.raises(ShapeError, match="loss of 'MVD'"):
        bands.seeds({"loss": {"MVD": STEPS[:, None]}})
    with pytest.raises(OptionError, match="unknown band"):
        bands.seeds({"loss": {"MVD": table(STEPS)}}, band="sem")
