import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import ShapeError
from mvkit.viz import features


def clip() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (4, 16, 40, 3), np.uint8)


def colours() -> np.ndarray:
    return np.random.default_rng(1).random((2, 2, 5, 3)).astype(np.float32)


def test_a_row_of_colours_stands_under_the_frames_of_its_steps():
    fig, data = features.maps(
        clip(), {"teacher": colours(), "student": colours()}, first="seen", notes={"teacher": "x"}
    )
    assert len(fig.axes) == 3 * 2
    shown = [axes.images[0].get_array() for axes in fig.axes]
    assert np.allclose(shown[2][..., :3], colours()[0])
    assert "teacher (x), student" in data.alt and {"seen", "teacher"} <= {text.get_text() for text in fig.texts}


def test_where_there_is_no_feature_nothing_is_drawn_over_the_hatch():
    values = colours()
    values[1, 0, 2] = np.nan
    fig, _ = features.maps(clip(), {"student": values})
    picture = fig.axes[-1].images[0].get_array()
    assert picture[0, 2, 3] == 0 and (picture[..., 3] == 0).sum() == 1 and np.isfinite(picture).all()
    assert fig.axes[-1].patch.get_hatch()


def test_it_is_drawn_again_from_its_record(tmp_path):
    saved = viz.Album(tmp_path).add("features", features.maps(clip(), {"a": colours()}), caption="Colours.")
    assert viz.rebuild(saved.json, tmp_path / "again").same_bytes


def test_maps_that_are_no_colours_are_refused():
    with pytest.raises(ShapeError, match=r"wanted colours \(t, h, w, 3\)"):
        features.maps(clip(), {"norms": colours()[..., 0]})
