import io

import numpy as np
import pytest
from PIL import Image

from mvkit import viz
from mvkit.errors import ShapeError
from mvkit.viz import features, style


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


def test_the_animation_has_a_time_for_each_step_with_the_colours_of_the_strip():
    values = colours()
    values[0, 0, 0] = np.nan
    made = features.animation(clip(), {"student": values}, side=50)
    assert made.data == features.animation(clip(), {"student": values}, side=50).data
    assert made.alt == "2 steps of a clip, one after the other; beside it features as colours: student."
    image = Image.open(io.BytesIO(made.data))
    assert image.n_frames == 2 and image.size == (2 * 50 + 4, 20 + 18)
    page = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(page[5, 54 + 5] - int(style.EMPTY[1:3], 16)).max() < 8
    assert np.abs(page[5, 54 + 15] - 255 * values[0, 0, 1]).max() < 16  # 256 colours for all steps and rows


def test_an_animation_of_no_colours_is_refused():
    with pytest.raises(ShapeError, match=r"wanted colours \(t, h, w, 3\)"):
        features.animation(clip(), {"norms": colours()[..., 0]})
