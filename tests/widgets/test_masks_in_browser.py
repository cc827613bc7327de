"""Notebook 01 in a real JupyterLab: sliders by keyboard, another strategy, painting, trouble in one line."""

import pytest

from mvkit import maskers

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(lab):
    opened = lab.open("01_masking_explorer", timeout=480)
    opened.set_default_timeout(120_000)  # of a busy machine
    picture = opened.locator(".mvkit-picture").first
    opened.evaluate("document.querySelectorAll('.jp-Cell')[3].scrollIntoView()")  # a page makes no widget far below
    picture.scroll_into_view_if_needed()
    opened.wait_for_function("document.querySelector('.mvkit-picture').dataset.version !== '0'")
    yield opened
    assert not lab.errors


def version(page) -> int:
    return int(page.locator(".mvkit-picture").first.get_attribute("data-version"))


def pixels(page) -> bytes:
    """The picture as it is painted, once no newer one is on its way."""
    before = -1
    while before != version(page):
        before = version(page)
        page.wait_for_timeout(600)
    return page.locator(".mvkit-picture").first.screenshot()


def fact(page, name: str) -> str:
    row = page.locator(".mvkit-facts tr").filter(has=page.get_by_role("rowheader", name=name, exact=True))
    return row.first.locator("td").inner_text()


def changed(page, before: int) -> None:
    """Wait until a newer picture is in the page."""
    page.wait_for_function("v => +document.querySelector('.mvkit-picture').dataset.version > v", arg=before)


def coded(page, text: str) -> None:
    """Wait until the line of Python says this."""
    page.wait_for_function("t => document.querySelector('.mvkit-code pre').textContent.includes(t)", arg=text)


def choose(page, label: str, value: str) -> None:
    box = page.locator(".mvkit-controls .widget-dropdown").filter(has_text=label)
    box.filter(has=page.get_by_text(label, exact=True)).locator("select").select_option(value)


def test_the_ratio_moves_by_keyboard_and_the_picture_and_its_numbers_follow(page):
    seen, before, told = pixels(page), version(page), fact(page, "hidden")
    slider = page.get_by_role("slider", name="ratio", exact=True)
    slider.focus()
    slider.press("Home")
    changed(page, before)
    coded(page, "ratio=0.0")
    assert pixels(page) != seen and fact(page, "hidden") != told
    assert fact(page, "hidden").startswith("tube 0.0%")
    before = version(page)
    slider.press("PageUp")
    changed(page, before)
    assert not fact(page, "hidden").startswith("tube 0.0%")


def test_another_strategy_brings_its_own_controls(page):
    seen, before = pixels(page), version(page)
    choose(page, "strategy", "block")
    changed(page, before)
    page.get_by_role("slider", name="span", exact=True).wait_for()
    assert pixels(page) != seen
    options = page.locator(".mvkit-controls select option").all_inner_texts()
    assert {*maskers.available(), "painted"} <= set(options)
    before = version(page)
    choose(page, "strategy", "tube")
    changed(page, before)
    assert page.get_by_role("slider", name="span", exact=True).count() == 0


def test_arrow_keys_on_the_picture_draw_another_mask_and_its_words_change(page):
    before = version(page)
    picture = page.locator(".mvkit-picture").first
    picture.focus()
    picture.press("ArrowRight")
    changed(page, before)
    coded(page, "manual_seed(1)")
    alt = page.locator(".mvkit-picture img").first.get_attribute("alt")
    assert "Masking strategies on a clip" in alt and "hidden" in alt


def test_dragging_over_the_picture_paints_a_mask(page):
    seen, before = pixels(page), version(page)
    box = page.locator(".mvkit-picture img").first.bounding_box()
    across, down = box["width"] / 10, box["height"] / 3
    page.mouse.move(box["x"] + 2 * across, box["y"] + 1.4 * down)
    page.mouse.down()
    page.mouse.move(box["x"] + 2.5 * across, box["y"] + 1.6 * down, steps=8)
    page.mouse.up()
    changed(page, before)
    page.get_by_text("painted tokens", exact=True).wait_for()
    assert pixels(page) != seen
    assert fact(page, "hidden").startswith("painted ")
    assert "mvkit.maskers.TokenMask(" in page.locator(".mvkit-code pre").first.inner_text()


def test_a_video_that_is_not_there_is_one_line_and_the_picture_stays(page):
    seen = pixels(page)
    field = page.locator(".mvkit-controls .widget-text").filter(has_text="video file").locator("input")
    field.fill("nowhere.mp4")
    field.press("Enter")
    error = page.locator(".mvkit-error").first
    page.wait_for_function("document.querySelector('.mvkit-error').textContent.includes('nowhere.mp4')")
    assert "Traceback" not in error.inner_text() and "\n" not in error.inner_text().strip()
    assert pixels(page) == seen
    field.fill("")
    field.press("Enter")
