import numpy as np
import pytest
from PIL import Image

from mvkit.errors import ShapeError
from mvkit.runs.folder import RunFolder
from mvkit.runs.pictures import Pictures

GREEN = np.full((6, 10, 3), (0, 200, 0), np.uint8)


def test_a_picture_is_kept_for_every_step_it_is_asked_for_in_order(tmp_path):
    look = Pictures(tmp_path / "pictures", draw=lambda method: method)
    for step in (1000, 0, 40):
        look(step, GREEN)
    kept = Pictures(tmp_path / "pictures").steps()
    assert list(kept) == [0, 40, 1000] and kept[40].name == "step_000040.webp"
    with Image.open(kept[40]) as file:
        assert np.abs(np.asarray(file.convert("RGB")).astype(int) - GREEN).max() < 12


def test_what_is_no_picture_is_refused_with_its_step(tmp_path):
    with pytest.raises(ShapeError, match=r"step 7 must be uint8 \(H, W, 3\), got float64"):
        Pictures(tmp_path, draw=lambda method: np.zeros((3, 4, 3)))(7, None)


def test_a_run_without_pictures_has_none(tmp_path):
    assert Pictures(tmp_path / "none").steps() == {}


def test_pictures_outlive_an_interruption_with_the_checkpoint_they_belong_to(tmp_path):
    folder = RunFolder(tmp_path / "small" / "ab")
    folder.prepare({})
    Pictures(folder.path / "pictures", draw=lambda method: GREEN)(0, None)
    (folder.checkpoint / "step_000001").mkdir()
    folder.prepare({})
    assert list(Pictures(folder.path / "pictures").steps()) == [0]
    folder.prepare({}, fresh=True)
    assert Pictures(folder.path / "pictures").steps() == {}
