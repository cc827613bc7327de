"""The panel in a real JupyterLab: sliders, clicks and keys reach the kernel, pictures and words come back."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.browser

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
SOURCE = """
import time
import numpy as np
from mvkit.errors import DataError
from mvkit.widgets import Control, Explorer

class Bars(Explorer):
    title, twin_control, structural, paints = "Bars", "shade", frozenset({"kind"}), True
    drawn, painted = 0, []

    @property
    def controls(self):
        own = {"bars": Control("bars", "int", 4, low=1, high=8), "dots": Control("size", "int", 3, low=1, high=9)}
        return (Control("kind", "choice", "bars", choices=("bars", "dots")),
                Control("shade", "int", 50, low=0, high=100, help="how dark"),
                own[self.values.get("kind", "bars")], Control("clip", "file", ""))

    def render(self, kind, shade, clip, bars=1, size=1):
        if clip:
            raise DataError(f"clip '{clip}' is not there: give the path of a video")
        Bars.drawn += 1
        time.sleep(0.05)
        picture = np.full((120, 400, 3), 255, np.uint8)
        picture[:, : 50 * bars if kind == "bars" else 20 * size] = 255 - 2 * shade
        return picture

    def describe(self, shade, kind, **rest):
        return {"shade": f"{shade} of 100", "drawn": str(Bars.drawn), "painted": str(len(Bars.painted)),
                "Python": f"draw({kind!r}, {shade})"}

    def click(self, x, y, **rest):
        return {"bars": min(8, 1 + x // 50)}

    def key(self, name, shade, **rest):
        return {"shade": shade + {"ArrowUp": 1, "ArrowDown": -1}.get(name, 0)}

    def drag(self, points, shade, **rest):
        Bars.painted += points
        return {"shade": shade + 1}
"""


@pytest.fixture(scope="module")
def page(lab, tmp_path_factory):
    path = tmp_path_factory.mktemp("notebook") / "bars.ipynb"
    nbformat.write(
        new_notebook(cells=[new_code_cell(SOURCE), new_code_cell("bars = Bars()\nbars")], metadata=PYTHON), path
    )
    opened = lab.open(path)
    opened.wait_for_selector(".mvkit-picture:not([data-version='0'])", timeout=60_000)
    yield opened
    assert lab.errors == []
    opened.close()


@pytest.fixture
def panel(page):
    return page.locator(".mvkit-panel")


def version(page) -> int:
    return int(page.locator(".mvkit-picture").get_attribute("data-version"))


def after(page, act) -> None:
    """Do something and wait for the picture that comes of it."""
    before = version(page)
    act()
    page.wait_for_function("n => +document.querySelector('.mvkit-picture').dataset.version > n", arg=before)


def settle(page) -> None:
    """Wait until pictures have stopped coming: the rest of a stroke is sent after the picture of its beginning."""
    before = -1
    while version(page) != before:
        before = version(page)
        page.wait_for_timeout(1000)


def fact(panel, label: str) -> str:
    return panel.locator(".mvkit-facts tr", has_text=label).locator("td").text_content()


def test_a_slider_moved_by_keyboard_brings_another_picture_and_other_words(page, panel):
    image = panel.locator(".mvkit-picture img")
    source = image.get_attribute("src")
    slider = panel.get_by_role("slider", name="shade", exact=True)
    after(page, lambda: slider.press("ArrowRight"))
    assert image.get_attribute("src") != source
    assert fact(panel, "shade") == "51 of 100"
    assert image.get_attribute("alt").startswith("Bars. shade: 51 of 100")
    assert panel.locator(".mvkit-code pre").text_content() == "draw('bars', 51)"


def test_a_slider_moved_faster_than_pictures_are_drawn_queues_nothing_and_the_last_value_wins(page, panel):
    slider = panel.get_by_role("slider", name="shade", exact=True)
    slider.press("Home")
    page.wait_for_function("document.querySelector('.mvkit-facts td').textContent === '0 of 100'")
    drawn = int(fact(panel, "drawn"))
    slider.evaluate(
        """(handle) => { for (let n = 0; n < 40; n++)
             handle.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true })); }"""
    )
    page.wait_for_function("document.querySelector('.mvkit-facts td').textContent === '40 of 100'")
    assert int(fact(panel, "drawn")) - drawn <= 5


def test_a_click_on_the_picture_tells_its_pixel_also_where_the_page_has_scaled_it(page, panel):
    image = panel.locator(".mvkit-picture img")
    bars = panel.get_by_role("slider", name="bars", exact=True)
    image.evaluate("node => node.style.width = '300px'")
    after(page, lambda: image.click(position={"x": 300 * 0.6, "y": 20}))  # pixel 240 of 400
    assert bars.get_attribute("aria-valuetext") == "5"


def test_arrow_keys_on_the_picture_are_the_explorers_and_not_jupyterlabs(page, panel):
    active = "[...document.querySelectorAll('.jp-Cell')].findIndex(cell => cell.matches('.jp-mod-active'))"
    picture = panel.locator(".mvkit-picture")
    picture.focus()
    before, shade = page.evaluate(active), int(fact(panel, "shade").split()[0])
    after(page, lambda: picture.press("ArrowUp"))
    assert int(fact(panel, "shade").split()[0]) == shade + 1
    assert page.evaluate(active) == before
    assert page.evaluate("document.activeElement.className").startswith("mvkit-picture")


def test_painting_brings_every_point_of_the_stroke(page, panel):
    box = panel.locator(".mvkit-picture img").bounding_box()
    before = int(fact(panel, "painted"))
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 110, box["y"] + 60, steps=25)
    page.mouse.up()
    page.wait_for_function(
        "n => +document.querySelectorAll('.mvkit-facts td')[2].textContent >= n", arg=before + 22, timeout=20_000
    )
    settle(page)
    assert int(fact(panel, "painted")) >= before + 22


def test_another_kind_brings_other_controls_with_their_names(page, panel):
    after(page, lambda: panel.get_by_role("combobox", name="kind").select_option("dots"))
    panel.get_by_role("slider", name="size", exact=True).wait_for()
    assert panel.get_by_role("slider", name="bars", exact=True).count() == 0


def test_a_missing_clip_is_one_line_and_the_picture_stays(page, panel):
    settle(page)
    before, field = version(page), panel.get_by_role("textbox", name="clip")
    field.fill("none.mp4")
    field.press("Enter")
    panel.get_by_role("alert").get_by_text("clip 'none.mp4' is not there: give the path of a video").wait_for()
    assert version(page) == before
    assert page.locator(".jp-RenderedText[data-mime-type*=stderr]").count() == 0
    field.fill("")
    after(page, lambda: field.press("Enter"))
    assert panel.locator(".mvkit-error").text_content() == ""


def test_the_picture_has_a_name_a_way_to_use_it_and_words_that_follow_it(page, panel):
    picture = panel.get_by_role("application", name="Bars. Click chooses, arrow keys move the choice, drag paints")
    assert picture.count() == 1
    page.wait_for_function(
        "document.querySelector('.mvkit-said').textContent === document.querySelector('.mvkit-picture img').alt"
    )


def test_the_line_of_python_is_copied_by_its_button(page, panel):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.get_by_role("button", name="Copy").click()
    panel.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == panel.locator(".mvkit-code pre").text_content()
