"""report.html: readable, described, and without a single request to the network."""

import base64
import hashlib
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from mvkit.bench.lab import chromium, find_chromium
from mvkit.runs.page import POLICY, POLICY_WITH_SCRIPT, SCRIPT
from mvkit.runs.report import render

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TITLE = "# How masks leak\n\nInline $N = t \\times h$, then\n\n$$\\sum_i x_i$$\n\n$\\unknowntex{a}$"
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "IntSlider()"}
HOSTILE = """<script src="https://evil.example/a.js">alert(1)</script>
<img src="http://evil.example/b.png" onerror="x()">
<link rel="stylesheet" href="//evil.example/c.css"><iframe src="https://evil.example"></iframe>
<style>@import url(https://evil.example/d.css); p { background: url('https://evil.example/e.png') }</style>
<p style="background: url(https://evil.example/f.png)">kept text</p><video poster="https://evil.example/g.png"></video>
<svg><image href="https://evil.example/h.png" xlink:href="https://evil.example/i.png"></image></svg>
<a href="https://arxiv.org/abs/2203.12602">a link a reader may follow</a><img srcset="https://evil.example/j.png 2x">"""


def displayed(data: dict, **metadata: object) -> object:
    return new_output("display_data", data=data, metadata=metadata)


@pytest.fixture(scope="module")
def html() -> str:
    code = new_code_cell("draw()", execution_count=4)
    code.outputs = [
        new_output("stream", name="stdout", text="\x1b[31mred\x1b[0m <b>words</b>"),
        displayed({"text/html": HOSTILE}),
        displayed({"image/png": PIXEL, "text/plain": "<Figure>"}),
        displayed({"image/png": PIXEL}, caption="Masks of one clip"),
        displayed({"image/png": PIXEL}, **{"image/png": {"alt": "Four grids"}}),
        displayed(
            {"image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://evil.example/k"/></svg>'}
        ),
        displayed(WIDGET),
        displayed({"text/latex": r"$\frac{a}{b}$"}),
        displayed({"text/markdown": "**bold** ![remote](https://evil.example/l.png)"}),
        new_output("error", ename="ValueError", evalue="a < b", traceback=["\x1b[31mTraceback\x1b[0m", "a < b"]),
    ]
    nb = new_notebook(
        cells=[
            new_markdown_cell(
                "# How masks leak\n\nInline $N = t \\times h$, then\n\n$$\\sum_i x_i$$\n\n$\\unknowntex{a}$"
            ),
            new_code_cell("steps: int = 3  # steps", metadata={"tags": ["parameters"]}),
            new_markdown_cell("## Six maskers\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<script>alert(2)</script>"),
            code,
        ]
    )
    page = {
        "title": "How masks leak & more",
        "status": {"run": "small/abc", "state": "failed", "cause": "ValueError: a < b", "cell": 4},
        "parameters": [{"name": "steps", "value": "3", "help": "optimiser <steps>"}],
        "provenance": [("commit", "0123abc")],
    }
    return render(nb, page)


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, {name: value or "" for name, value in attrs}))


def test_nothing_in_the_page_would_be_fetched_or_run(html):
    tags = Tags(html).seen
    assert not {"script", "iframe", "link", "object", "embed", "base"} & {tag for tag, _ in tags}
    for tag, attributes in tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "srcset", "poster", "xlink:href") or (name == "href" and tag != "a"):
                assert value.startswith("data:"), (tag, name, value)
            if tag != "a" and not value.startswith("data:"):
                assert "://" not in value, (tag, name, value)
    assert "evil.example" not in html
    assert "kept text" in html
    assert 'href="https://arxiv.org/abs/2203.12602"' in html


def test_the_page_carries_the_policy_that_forbids_requests_to_a_browser(html):
    policies = [a["content"] for tag, a in Tags(html).seen if tag == "meta" and "Policy" in a.get("http-equiv", "")]
    assert policies == [POLICY]
    assert POLICY.startswith("default-src 'none'")


def test_every_image_is_described_by_caption_alt_or_heading(html):
    alts = [a.get("alt", "") for tag, a in Tags(html).seen if tag == "img" and a.get("src")]
    assert all(alts)
    for wanted in ("Masks of one clip", "Four grids", "Figure under the heading “Six maskers”", r"N = t \times h"):
        assert wanted in alts
    assert "<figcaption>Masks of one clip</figcaption>" in html


def test_formulas_are_drawn_and_an_unknown_command_stays_readable(html):
    drawn = [a["alt"] for tag, a in Tags(html).seen if tag == "img" and a.get("class") == "tex"]
    assert drawn == [r"N = t \times h", r"\sum_i x_i", r"\frac{a}{b}"]
    assert r"\unknowntex{a}</code>" in html


def test_title_state_parameters_code_outputs_and_provenance_are_there_in_this_order(html):
    places = [
        html.index(words)
        for words in (
            "<title>How masks leak &amp; more</title>",
            "<h1>How masks leak</h1>",
            'class="state failed"',
            "ValueError: a &lt; b",
            "optimiser &lt;steps&gt;",
            "<h2>Six maskers</h2>",
            "<summary>Code [4]</summary>",
            "&lt;b&gt;words&lt;/b&gt;",
            "open the notebook in JupyterLab",
            "<summary>Traceback</summary>",
            "<dt>commit</dt><dd>0123abc</dd>",
        )
    ]
    assert places == sorted(places)
    assert html.count("<h1>") == 1
    assert "steps: int = 3" not in html  # the parameters cell is the table above


def test_the_page_is_small_and_fits_a_phone(html):
    assert len(html) < 120_000
    metas = [attributes for tag, attributes in Tags(html).seen if tag == "meta"]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in metas
    assert 'lang="en"' in html


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine to open the page with")
    with chromium() as opened:
        yield opened


class Visit:
    """A page opened: what it asked for beyond itself and its data, what its policy stopped, how wide it is."""

    def __init__(self, browser, page: Path, width: int) -> None:
        tab = browser.new_page(viewport={"width": width, "height": 900})
        self.asked: set[str] = set()
        self.stopped: set[str] = set()
        tab.on("request", lambda request: self.asked.add(request.url))
        tab.on("requestfailed", lambda request: self.stopped.add(request.url) if request.failure == "csp" else None)
        tab.goto(page.as_uri(), wait_until="load")
        self.width = tab.evaluate("document.documentElement.scrollWidth")
        tab.close()
        self.asked = {url for url in self.asked if not url.startswith(("file:", "data:"))}


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1200])
def test_a_browser_makes_no_request_and_the_page_is_no_wider_than_the_screen(html, tmp_path, browser, width):
    page = tmp_path / "report.html"
    page.write_text(html)
    visit = Visit(browser, page, width)
    assert visit.asked == set()
    assert visit.width <= width


@pytest.mark.browser
def test_the_counter_counts_and_the_policy_alone_would_stop_every_request(tmp_path, browser):
    bare, guarded = tmp_path / "bare.html", tmp_path / "guarded.html"
    bare.write_text(HOSTILE)
    guarded.write_text(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">{HOSTILE}')
    assert len(Visit(browser, bare, 800).asked) >= 3
    assert Visit(browser, bare, 800).stopped == set()
    visit = Visit(browser, guarded, 800)
    assert visit.asked <= visit.stopped


def coloured(red: int, *, wide: int = 900) -> str:
    file = io.BytesIO()
    Image.fromarray(np.full((300, wide, 3), (red, 90, 160), np.uint8)).save(file, format="webp")
    return base64.b64encode(file.getvalue()).decode()


TWIN = {
    "control": "ratio",
    "label": "ratio <b>",
    "title": "Masks",
    "kind": "image/webp",
    "values": ["0.5", "0.75", "0.9"],
    "frames": [coloured(10), coloured(120), coloured(240)],
    "alts": ["hidden: half", "hidden: three 'quarters' & more", "hidden: most"],
    "start": 1,
}


@pytest.fixture(scope="module")
def with_slider() -> str:
    cell, other = new_code_cell("explorer"), new_code_cell("explorer")
    twin = {"application/vnd.mvkit.twin+json": TWIN, "image/png": PIXEL, **WIDGET}
    cell.outputs, other.outputs = [displayed(twin)], [displayed(twin), displayed({"text/html": HOSTILE})]
    nb = new_notebook(cells=[new_markdown_cell("# Masks"), cell, other])
    page = {
        "title": "Masks",
        "status": {"run": "a/b", "state": "done"},
        "parameters": [],
        "provenance": [],
    }
    return render(nb, page)


def test_an_explorer_becomes_a_picture_with_a_slider_that_says_its_name_and_value(with_slider):
    sliders = [a for tag, a in Tags(with_slider).seen if tag == "input"]
    assert [a["type"] for a in sliders] == ["range", "range"]
    assert sliders[0].items() >= {"min": "0", "max": "2", "value": "1", "aria-valuetext": "0.75"}.items()
    labels = [a["for"] for tag, a in Tags(with_slider).seen if tag == "label"]
    assert labels == [a["id"] for a in sliders] == ["twin-1", "twin-2"]
    assert "ratio &lt;b&gt;</label>" in with_slider
    assert "open the notebook in JupyterLab" not in with_slider
    pictures = [a for tag, a in Tags(with_slider).seen if tag == "img" and a.get("src")]
    assert {a["alt"] for a in pictures} == {"hidden: three 'quarters' & more"}


def test_the_only_script_is_ours_and_the_policy_knows_it_by_its_hash(with_slider, html):
    assert [tag for tag, _ in Tags(with_slider).seen].count("script") == 1
    assert f"<script>{SCRIPT}</script>" in with_slider
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in with_slider or f"script-src 'sha256-{digest}'" in with_slider
    assert POLICY_WITH_SCRIPT.startswith(POLICY)
    assert "script-src" not in html


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_slider_moves_by_keyboard_and_mouse_without_a_network(with_slider, tmp_path, browser, width):
    (tmp_path / "report.html").write_text(with_slider)
    context = browser.new_context(offline=True, viewport={"width": width, "height": 800})
    page, said, failed, asked = context.new_page(), [], [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "report.html").as_uri())
    slider, picture = page.get_by_role("slider").first, page.locator(".twin img").first
    source = "data:image/webp;base64,"
    assert picture.get_attribute("src") == source + TWIN["frames"][1]

    slider.focus()
    page.keyboard.press("ArrowRight")
    assert picture.get_attribute("src") == source + TWIN["frames"][2]
    assert slider.get_attribute("aria-valuetext") == "0.9"
    assert page.locator(".twin output").first.text_content() == "0.9"
    assert page.locator(".twin figcaption").first.text_content() == picture.get_attribute("alt") == "hidden: most"

    box = slider.bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    assert picture.get_attribute("src") == source + TWIN["frames"][0]
    assert page.evaluate("document.querySelector('.twin img').naturalWidth") == 900  # decoded, not only named
    assert page.locator(".twin img").nth(1).get_attribute("src") == source + TWIN["frames"][1]  # the other stays
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == failed == []
    assert all(url.startswith(("file:", "data:")) for url in asked)
    context.close()


@pytest.mark.browser
def test_the_policy_runs_our_script_and_no_other(with_slider, tmp_path, browser):
    page = tmp_path / "report.html"
    page.write_text(with_slider.replace("</main>", "<script>document.title = 'taken'</script></main>"))
    tab = browser.new_page()
    tab.goto(page.as_uri())
    assert tab.title() == "Masks"
    assert tab.get_by_role("slider").first.is_enabled()
    tab.close()
