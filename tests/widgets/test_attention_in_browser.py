"""Notebook 08 in a real JupyterLab: tokens are clicked, keys move the layer and the token, and the picture follows."""

import json
from pathlib import Path

import nbformat
import pytest
import torch

from mvkit import checkpoints, methods

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "08_attention_maps.ipynb"
CHANGED = "before => +document.querySelector('.mvkit-picture').dataset.version > before"

pytestmark = [pytest.mark.slow, pytest.mark.notebook]


@pytest.fixture(scope="module")
def page(lab, tmp_path_factory):
    """The notebook open with two small untrained models, all its cells run."""
    folder, size = tmp_path_factory.mktemp("models"), {"size": "tiny", "frames": 8, "image": 32, "patch": 8}
    torch.manual_seed(7)
    for kind in ("videomae", "mae"):
        checkpoints.save(folder / kind, methods.create(kind, **size), name=kind, options=size)
    notebook = nbformat.read(NOTEBOOK, 4)
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    for name, kind in (("model_a", "videomae"), ("model_b", "mae")):
        cell.source = cell.source.replace(f'{name}: str = "auto"', f"{name}: str = {str(folder / kind)!r}")
    nbformat.write(notebook, folder / NOTEBOOK.name)
    return lab.open(folder / NOTEBOOK.name, timeout=300)


def version(page) -> int:
    return int(page.locator(".mvkit-picture").get_attribute("data-version"))


def changes(page, act) -> bytes:
    """Do something, wait for another picture, and give its pixels."""
    before, pixels = version(page), page.locator(".mvkit-picture").screenshot()
    act()
    page.wait_for_function(CHANGED, arg=before, timeout=20_000)
    after = page.locator(".mvkit-picture").screenshot()
    assert after != pixels
    return after


def facts(page) -> str:
    return page.locator(".mvkit-panel").inner_text()


def at(page, x: float, y: float) -> None:
    """Click at fractions of the picture."""
    box = page.locator(".mvkit-picture img, .mvkit-picture canvas").first.bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_a_click_asks_another_token_and_its_place_is_told(page):
    page.locator(".mvkit-picture").scroll_into_view_if_needed()
    before = facts(page)
    changes(page, lambda: at(page, 0.2, 0.1))
    first = facts(page)
    assert "step 1 of 4" in first and first != before
    changes(page, lambda: at(page, 0.75, 0.1))
    assert "step 4 of 4" in facts(page)


def test_the_slider_of_the_layers_moves_by_keyboard(page):
    slider = page.get_by_role("slider", name="layer")
    slider.focus()
    depth = int(float(slider.get_attribute("aria-valuenow")))
    changes(page, lambda: page.keyboard.press("ArrowLeft"))
    assert f"block {depth - 1} of {depth}" in facts(page)


def test_arrows_on_the_picture_move_the_token(page):
    changes(page, lambda: at(page, 0.2, 0.1))
    page.locator(".mvkit-picture [tabindex], .mvkit-picture[tabindex]").first.focus()
    changes(page, lambda: page.keyboard.press("PageDown"))
    assert "step 2 of 4" in facts(page)


def test_a_mask_hides_tokens_and_heads_have_rows_of_their_own(page):
    changes(page, lambda: page.get_by_label("hidden by").select_option("tube"))
    assert "tokens visible to A" in facts(page)
    small = page.locator(".mvkit-picture").bounding_box()["height"]
    changes(page, lambda: page.get_by_label("heads", exact=True).select_option(label="each, a row of its own"))
    assert page.locator(".mvkit-picture").bounding_box()["height"] > small
    changes(page, lambda: page.get_by_label("heads", exact=True).select_option(label="mean"))


def test_the_picture_has_words_that_change_with_it(page):
    picture = page.locator(".mvkit-picture [role=img], .mvkit-picture img").first
    before = picture.get_attribute("aria-label") or picture.get_attribute("alt")
    changes(page, lambda: at(page, 0.5, 0.12))
    after = picture.get_attribute("aria-label") or picture.get_attribute("alt")
    assert "Attention of" in after and after != before


def test_the_page_has_seen_no_error(lab, page):
    assert not lab.errors
    assert json.dumps(page.locator(".mvkit-panel .mvkit-error").all_inner_texts()) in ("[]", '[""]')
