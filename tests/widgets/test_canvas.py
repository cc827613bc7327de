"""The canvas puts every pixel where it says, and knows which cell a pixel is in."""

import io

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from mvkit.errors import OptionError, ShapeError
from mvkit.viz import style
from mvkit.widgets.canvas import (
    Canvas,
    colourise,
    encode,
    enlarge,
    fitted,
    heat,
    raster,
    resize,
    stack,
    wrapped,
)


def canvas() -> Canvas:
    return Canvas(2, 3, (10, 14), labels=["clip", "a longer label of the second row"], titles=["1", "2", "3"])


def test_a_picture_fills_its_cell_and_nothing_else():
    sheet = canvas()
    before = sheet.array().copy()
    sheet.put(1, 2, np.full((10, 14, 3), (200, 10, 20), np.uint8))
    changed = (sheet.array() != before).any(-1)
    assert changed.sum() == 10 * 14
    ys, xs = np.nonzero(changed)
    assert sheet.at(xs.min(), ys.min()) == (1, 2, 0.0, 0.0)
    row, column, down, along = sheet.at(xs.max(), ys.max()) or ()
    assert (row, column) == (1, 2)
    assert 0.9 <= down < 1
    assert 0.9 <= along < 1


def test_between_cells_and_on_labels_there_is_no_cell():
    sheet = canvas()
    sheet.put(0, 0, np.zeros((10, 14, 3), np.uint8))
    sheet.put(0, 1, np.zeros((10, 14, 3), np.uint8))
    ys, xs = np.nonzero(sheet.array()[..., 0] == 0)
    assert sheet.at(2, ys.max()) is None
    assert sheet.at(xs.max() + 1, ys.max()) is None
    assert sheet.at(xs.max(), ys.max() + 1) is None


def test_every_pixel_of_every_cell_is_found_again():
    sheet = Canvas(2, 3, (10, 14), notes={0: ""})
    for row in range(2):
        for column in range(3):
            sheet.put(row, column, np.full((10, 14, 3), 10 * row + column, np.uint8))
    for (y, x), value in np.ndenumerate(sheet.array()[..., 0]):
        where = sheet.at(x, y)
        assert value == (10 * where[0] + where[1] if where else 255)


def test_an_outline_is_cased_in_black_and_stays_inside_the_picture():
    sheet = Canvas(1, 1, (40, 60))
    sheet.put(0, 0, np.full((40, 60, 3), 128, np.uint8))
    sheet.outline(0, 0, 0.25, 0.5, 0.75, 1.0)
    colours = {tuple(pixel) for pixel in sheet.array().reshape(-1, 3).tolist()}
    assert colours == {(0, 0, 0), (240, 228, 66), (128, 128, 128), (255, 255, 255)}


def test_values_take_the_colours_of_matplotlib_and_nan_the_grey_of_nothing():
    values = np.array([[0.0, 0.5], [1.0, np.nan]])
    colours = colourise(values, "attention", 0, 1)
    wanted = (np.array(colormaps[style.MAPS["attention"]]([0, 127, 255]))[:, :3] * 255).round()
    assert (colours[[0, 0, 1], [0, 1, 0]] == wanted).all()
    assert tuple(colours[1, 1]) == (0xE6, 0xE6, 0xE6)


def test_values_beyond_the_limits_take_the_end_colours():
    beyond, ends = colourise(np.array([-9.0, 9.0]), "signed", -1, 1), colourise(np.array([-1.0, 1.0]), "signed", -1, 1)
    assert (beyond == ends).all()


def test_a_hidden_token_is_hatched_so_that_grey_alone_does_not_say_it():
    picture = heat(np.array([[np.nan, 1.0]]), (16, 32), "attention", 0, 1)
    assert len(np.unique(picture[:, :16].reshape(-1, 3), axis=0)) == 2
    assert len(np.unique(picture[:, 16:].reshape(-1, 3), axis=0)) == 1


def test_enlarging_is_nearest_also_where_sizes_do_not_divide():
    values = np.arange(6).reshape(2, 3)
    assert enlarge(values, 5, 7).tolist() == [[values[y * 2 // 5, x * 3 // 7] for x in range(7)] for y in range(5)]


def test_a_picture_of_another_size_is_resized_and_of_the_same_size_is_itself():
    picture = np.zeros((9, 7, 3), np.uint8)
    assert resize(picture, 9, 7) is picture
    assert resize(picture, 4, 5).shape == (4, 5, 3)
    assert resize(picture[..., :1], 4, 5).shape == (4, 5, 1)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
def test_bytes_are_a_picture_of_the_same_size(kind):
    picture = np.random.default_rng(0).integers(0, 255, (30, 46, 3), np.uint8)
    opened = Image.open(io.BytesIO(encode(picture, kind=kind)))
    assert (opened.format or "").lower() == kind
    assert opened.size == (46, 30)
    if kind == "png":
        assert (np.asarray(opened) == picture).all()


def test_words_are_cut_to_fit_and_wrapped_at_spaces():
    assert fitted("short", 200) == "short"
    cut = fitted("a very long label indeed", 60)
    assert cut.endswith("…")
    assert raster(cut).shape[1] <= 60
    assert wrapped("video teacher, block 12", 80) == ["video", "teacher,", "block 12"]


def test_stacked_pictures_stand_one_under_the_other_on_white():
    both = stack([np.zeros((4, 6, 3), np.uint8), np.zeros((3, 9, 3), np.uint8)], gap=2)
    assert both.shape == (9, 9, 3)
    assert (both[4:6] == 255).all()
    assert (both[:4, 6:] == 255).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="3 labels"):
        Canvas(2, 1, (4, 4), labels=["a", "b", "c"])
    with pytest.raises(ShapeError, match="outside this canvas of 2x3"):
        canvas().put(2, 0, np.zeros((10, 14, 3), np.uint8))
    with pytest.raises(ShapeError, match="must be uint8"):
        canvas().put(0, 0, np.zeros((10, 14, 3)))
    with pytest.raises(OptionError, match="unknown colour map 'atention'"):
        colourise(np.zeros(2), "atention", 0, 1)
