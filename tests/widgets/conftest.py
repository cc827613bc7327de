"""A small explorer that all tests of the base share."""

from pathlib import Path

import numpy as np
import pytest

from mvkit.bench.lab import Lab, find_chromium
from mvkit.errors import DataError
from mvkit.viz import curves
from mvkit.widgets import Control, Explorer

ROOT = Path(__file__).parents[2]


class Stripes(Explorer):
    """Bars whose number and darkness are values; "dots" has a control of its own."""

    title = "Stripes and dots"
    twin_control = "shade"
    structural = frozenset({"kind"})
    rendered = 0

    @property
    def controls(self):
        kind = Control("kind", "choice", "bars", choices=("bars", "dots"), help="what is drawn")
        high = 0.8 if self.values.get("kind") == "dots" else 1
        shade = Control("shade", "float", 0.5, low=0, high=high, step=0.05, help="how dark")
        own = {"bars": Control("bars", "int", 4, low=1, high=8), "dots": Control("size", "int", 3, low=1, high=9)}
        more = Control("note", "text", "", when=lambda values: values["kind"] == "dots")
        return kind, shade, own[self.values.get("kind", "bars")], more

    def render(self, kind, shade, bars=1, size=1, note=""):
        type(self).rendered += 1
        if note == "missing":
            raise DataError("clip 'missing.mp4' is not there: give the path of a video")
        picture = np.full((60, 160, 3), 255, np.uint8)
        picture[:, : 20 * bars if kind == "bars" else 10 * size] = round(255 * (1 - shade))
        return picture

    def describe(self, kind, shade, **rest):
        return {"shade": f"{shade:.0%} <black>", "Python": f"draw({kind!r}, {shade})"}

    def click(self, x, y, kind, **rest):
        return {"bars": min(8, 1 + x // 20)} if kind == "bars" else {}

    def key(self, name, shade, **rest):
        move = {"ArrowLeft": -0.1, "ArrowRight": 0.1}.get(name, 0)
        return {"shade": round(min(0.8, max(0, shade + move)), 2)} if move else {}

    def figure(self, shade, **rest):
        return curves.training(np.arange(3.0), np.array([3.0, 2.0, shade]), venue="cvpr-column")


@pytest.fixture
def stripes() -> Stripes:
    Stripes.rendered = 0
    return Stripes()


@pytest.fixture(scope="session")
def lab():
    """A real JupyterLab: `page = lab.open("01_masking_explorer")` gives a Playwright page with all cells run."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine to open JupyterLab with")
    with Lab(ROOT / "notebooks") as opened:
        yield opened
