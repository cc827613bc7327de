"""Notebook 09 in a real JupyterLab: tokens are clicked, keys move them, colours are chosen, and the picture follows."""

from pathlib import Path

import nbformat
import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.data import shapes

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "09_cross_frame_similarity.ipynb"
CHANGED = "before => +document.querySelector('.mvkit-picture').dataset.version > before"

pytestmark = [pytest.mark.slow, pytest.mark.notebook, pytest.mark.browser]


@pytest.fixture(scope="module")
def page(lab, tmp_path_factory):
    """The notebook open with small untrained encoders and a small set, all its cells run."""
    folder, size = tmp_path_factory.mktemp("models"), {"size": "tiny", "frames": 8, "image": 32, "patch": 8}
    values = {"clips": 8, "val_list": str(shapes.write(folder / "clips", shapes.ShapesSpec(clips=10, val=2, size=32)))}
    for seed, (role, kind) in enumerate(
        {"image_teacher": "mae", "video_teacher": "videomae", "student": "mvd"}.items()
    ):
        torch.manual_seed(seed)
        teachers = {name: values[name] for name in ("image_teacher", "video_teacher") if kind == "mvd"}
        checkpoints.save(
            folder / role, methods.create(kind, **size, **teachers), name=kind, options={**size, **teachers}
        )
        values[role] = f"run:{folder / role}"
    notebook = nbformat.read(NOTEBOOK, 4)
    place = next(n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    given = nbformat.v4.new_code_cell("\n".join(f"{name} = {value!r}" for name, value in values.items()), id="given")
    notebook.cells.insert(place + 1, given)
    nbformat.write(notebook, folder / NOTEBOOK.name)
    page = lab.open(folder / NOTEBOOK.name, timeout=300)
    page.locator(".mvkit-picture").scroll_into_view_if_needed()
    return page


def changes(page, act) -> None:
    """Do something and wait for another picture."""
    picture = page.locator(".mvkit-picture")
    before, pixels = int(picture.get_attribute("data-version")), picture.screenshot()
    act()
    page.wait_for_function(CHANGED, arg=before, timeout=20_000)
    assert picture.screenshot() != pixels


def told(page) -> str:
    return page.locator(".mvkit-facts").inner_text() + page.locator(".mvkit-code").inner_text()


def test_a_click_asks_about_another_token_and_says_which(page):
    picture = page.locator(".mvkit-picture img")
    # In the frame of step 1: after the labels (an eighth of the width), in the first of five rows.
    sides = picture.bounding_box()
    place = {"x": 0.22 * sides["width"], "y": 0.06 * sides["height"]}
    changes(page, lambda: picture.click(position=place))
    assert "step 1, row 1" in told(page)


def test_keys_move_the_token_through_its_frame_and_through_time(page):
    page.locator(".mvkit-picture").focus()
    changes(page, lambda: page.keyboard.press("ArrowDown"))
    assert "step 1, row 2" in told(page)
    changes(page, lambda: page.keyboard.press("PageDown"))
    assert "step 2, row 2" in told(page)
    assert "step 2, row 2" in page.locator(".mvkit-picture img").get_attribute("alt")


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [("features", "raw", "centred=False"), ("colours", "each row", ""), ("frame matrix", "matched", "two steps")],
)
def test_features_colours_and_the_matrix_are_chosen(page, label, value, words):
    choice = page.get_by_label(label, exact=True)
    first = choice.input_value()
    changes(page, lambda: choice.select_option(value))
    assert words in told(page)
    changes(page, lambda: choice.select_option(first))


def test_the_controls_can_be_left_out_and_the_layer_moved(page):
    box = page.get_by_label("controls", exact=True)
    assert "static clip" in told(page)
    changes(page, box.uncheck)
    assert "static clip" not in told(page)
    changes(page, box.check)
    slider = page.get_by_role("slider", name="layer")
    changes(page, lambda: (slider.focus(), page.keyboard.press("ArrowLeft")))
    assert "student, block 3 of 4" in told(page)


def test_a_missing_video_is_told_in_one_line_and_the_picture_stays(page):
    field = page.get_by_label("your video", exact=True)
    field.fill("nowhere.mp4")
    field.press("Enter")
    error = page.locator(".mvkit-error")
    page.wait_for_function("() => document.querySelector('.mvkit-error').textContent")
    assert "nowhere.mp4" in error.inner_text() and "\n" not in error.inner_text().strip()
    assert page.locator(".mvkit-picture img").bounding_box()["width"] > 300
    field.fill("")
    field.press("Enter")
    page.wait_for_function("() => !document.querySelector('.mvkit-error').textContent")


def test_the_page_has_seen_no_error(lab, page):
    assert not lab.errors
