"""The static twin: every viewer finds something to show, small enough for a page."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from mvkit.errors import DataError
from mvkit.widgets import Control
from mvkit.widgets.twin import BYTES, FRAMES, MIME, bundle, positions, twin


def opened(frame: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(frame))))


def test_each_frame_is_the_picture_of_its_value_and_says_so(stripes):
    made = twin(stripes)
    assert made["control"] == "shade"
    assert len(made["frames"]) == len(made["values"]) == len(made["alts"]) == 21
    assert made["values"][made["start"]] == "0.5"
    for value, frame, words in zip(made["values"], made["frames"], made["alts"], strict=True):
        assert abs(opened(frame)[30, 40].astype(float) - 255 * (1 - float(value))).max() < 6
        assert words == f"Stripes and dots. shade: {float(value):.0%} <black>."
    assert stripes.values["shade"] == 0.5


def test_it_is_plain_json_and_fits_a_page_also_for_large_noisy_pictures(stripes, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (500, 900, 3), np.uint8)
    monkeypatch.setattr(stripes, "render", lambda **values: noise)
    made = twin(stripes)
    assert 6 <= len(made["frames"]) < FRAMES
    assert "0.5" in made["values"]
    small = noise[:100, :150]
    monkeypatch.setattr(stripes, "render", lambda **values: small)
    made = twin(stripes)
    assert len(made["frames"]) == 21
    assert len(json.dumps(made)) < 1.4 * BYTES


def test_a_value_that_cannot_be_drawn_is_left_out(stripes, monkeypatch):
    draw = stripes.render

    def fussy(**values):
        if values["shade"] > 0.62:
            raise DataError("too dark")
        return draw(**values)

    monkeypatch.setattr(stripes, "render", fussy)
    assert twin(stripes)["values"][-1] == "0.6"


@pytest.mark.parametrize(
    ("control", "now", "wanted"),
    [
        (Control("a", "choice", "x", choices=("x", "z", "y")), "z", ["x", "z", "y"]),
        (Control("a", "bool", False), True, [False, True]),
        (Control("a", "int", 3, low=1, high=4), 3, [1, 2, 3, 4]),
        (Control("a", "float", 0.0, low=0, high=1, step=0.25), 0.3, [0.0, 0.25, 0.3, 0.5, 0.75, 1.0]),
        (Control("a", "text", "b"), "b", ["b"]),
    ],
)
def test_positions_are_the_values_of_the_control_in_order(control, now, wanted):
    assert positions(control, now) == wanted


def test_a_long_range_is_thinned_and_keeps_its_ends_and_the_value_of_now():
    control = Control("seed", "int", 0, low=0, high=999)
    for now in (0, 1, 500, 777, 998, 999):
        kept = positions(control, now)
        assert len(kept) == FRAMES
        assert kept == sorted(kept)
        assert {0, now, 999} <= set(kept)


def test_the_bundle_has_the_panel_a_png_and_the_frames_at_once(stripes, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    data, about = bundle(stripes)
    assert about == {"image/png": {"alt": "Stripes and dots. shade: 50% <black>."}}
    assert set(data) == {"text/plain", "image/png", MIME, "application/vnd.jupyter.widget-view+json"}
    assert (opened(data["image/png"]) == stripes.picture()).all()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == stripes.panel.box.model_id


def test_where_a_jupyter_server_has_the_notebook_open_no_frames_are_drawn(stripes, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")
    monkeypatch.delenv("MVKIT_RUN_FOLDER", raising=False)
    assert MIME not in bundle(stripes)[0]
    assert stripes.rendered <= 2
    monkeypatch.setenv("MVKIT_RUN_FOLDER", "reports/a/b")  # a run, started from a cell
    assert MIME in bundle(stripes)[0]


def test_an_explorer_whose_clip_is_missing_says_so_in_every_viewer(stripes):
    stripes.set(kind="dots", note="missing")
    data, _ = bundle(stripes)
    assert "missing.mp4&#x27; is not there" in data["text/html"]
    assert "image/png" not in data
    assert stripes.panel.picture.error == "clip 'missing.mp4' is not there: give the path of a video"
