import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import ShapeError
from mvkit.viz import lags

RNG = np.random.default_rng(0)
CURVES = {"image teacher": RNG.random((5, 4)).astype(np.float32), "student": RNG.random((5, 4)).astype(np.float32)}


def test_a_panel_has_the_mean_over_clips_and_a_band_of_one_deviation():
    fig, data = lags.curves(CURVES, shuffled={"student": CURVES["student"]})
    values = CURVES["student"]
    assert [axes.get_title() for axes in fig.axes] == ["image teacher", "student"]
    line = fig.axes[1].lines[0]
    assert list(line.get_xdata()) == [1, 2, 3] and np.allclose(line.get_ydata(), values.mean(0)[1:])
    edge = fig.axes[1].collections[0].get_paths()[0].vertices[:, 1]
    assert edge.max() == pytest.approx((values.mean(0) + values.std(0, ddof=1))[1:].max())
    assert len(fig.axes[0].lines) == 1 and len(fig.axes[1].lines) == 2
    assert f"student, clips: {values.mean(0)[1]:.2f} at one step apart" in data.alt and "5 clips" in data.alt


def test_all_panels_share_one_axis_of_similarity():
    low = {"image teacher": CURVES["image teacher"] - 3}
    fig, data = lags.curves(CURVES, static=low)
    assert len({axes.get_ylim() for axes in fig.axes}) == 1
    assert data.limits["cosine"][0] < -1.5


def test_one_clip_has_no_band_and_pairs_that_are_missing_are_left_out():
    one = CURVES["student"][:1].copy()
    one[0, 2] = np.nan
    fig, _ = lags.curves({"student": one})
    assert np.isfinite(fig.axes[0].get_ylim()).all()


@pytest.mark.parametrize("venue", ["cvpr-column", "neurips-full"])
def test_it_is_drawn_at_the_width_of_the_page_and_again_from_its_record(tmp_path, venue):
    fig, _ = drawn = lags.curves(CURVES, static=CURVES, shuffled=CURVES, venue=venue)
    assert fig.get_figwidth() == pytest.approx(viz.style.width(venue))
    saved = viz.Album(tmp_path).add("lags", drawn, caption="Similarity against steps apart.")
    assert viz.rebuild(saved.json, tmp_path / "again").same_bytes


def test_curves_of_other_lengths_and_controls_of_nobody_are_refused():
    with pytest.raises(ShapeError, match=r"of one t"):
        lags.curves({"a": CURVES["student"], "b": CURVES["student"][:, :3]})
    with pytest.raises(ShapeError, match="controls of \\['b'\\]"):
        lags.curves({"a": CURVES["student"]}, static={"b": CURVES["student"]})
    with pytest.raises(ShapeError, match="2 or more"):
        lags.curves({"a": CURVES["student"][:, :1]})
