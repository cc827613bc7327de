"""The panel: the right widget for each control, one picture for each change, trouble in one line."""

import io

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from mvkit.widgets import Control
from mvkit.widgets.panel import make, read, written


def widget(panel, label):
    return next(w for w in panel.controls.children if w.description == label)


@pytest.mark.parametrize(
    ("control", "kind"),
    [
        (Control("a", "choice", "x", choices=("x", "y")), ipywidgets.Dropdown),
        (Control("a", "bool", True), ipywidgets.Checkbox),
        (Control("a", "int", 3, low=1, high=9), ipywidgets.IntSlider),
        (Control("a", "float", 0.5, low=0, high=1, step=0.001), ipywidgets.FloatSlider),
        (Control("a", "int", 3, low=1), ipywidgets.BoundedIntText),
        (Control("a", "float", 3.0), ipywidgets.FloatText),
        (Control("a", "file", "clip.mp4"), ipywidgets.Text),
        (Control("a", "float", None, low=0, high=1), ipywidgets.Text),
    ],
)
def test_each_kind_of_control_has_its_widget_with_label_and_tooltip(control, kind):
    made = make(control, written(control, control.default))
    assert type(made) is kind
    assert made.description == "a"
    assert made.tooltip == "a"
    assert read(control, made.value) == control.default


def test_sliders_move_as_they_are_dragged_and_show_as_many_places_as_a_step_has():
    made = make(Control("a", "float", 0.5, low=0, high=1, step=0.001, help="why"), 0.5)
    assert made.continuous_update
    assert made.readout_format == ".3f"
    assert made.tooltip == "why"


def test_an_empty_field_is_none_and_text_that_is_no_number_is_left_to_be_refused(stripes):
    keep = Control("keep", "int", None, low=0)
    assert read(keep, " ") is None
    assert read(keep, "7") == 7
    assert read(keep, "seven") == "seven"
    assert written(keep, None) == ""


def test_a_moved_slider_changes_value_and_picture_once(stripes):
    panel = stripes.panel
    version, drawn = panel.picture.version, stripes.rendered
    widget(panel, "shade").value = 0.30000000000000004
    assert stripes.values["shade"] == 0.3
    assert (panel.picture.version, stripes.rendered) == (version + 1, drawn + 1)
    shown = np.asarray(Image.open(io.BytesIO(panel.picture.data)))
    assert abs(shown.astype(int) - stripes.picture()).max() < 12
    assert panel.picture.facts == [["shade", "30% <black>"]]
    assert panel.picture.code == "draw('bars', 0.3)"
    assert "shade: 30%" in panel.picture.alt


def test_values_set_from_python_move_the_widgets_without_a_second_picture(stripes):
    panel = stripes.panel
    drawn = stripes.rendered
    stripes.set(shade=0.8, bars=7)
    assert widget(panel, "shade").value == 0.8
    assert widget(panel, "bars").value == 7
    assert stripes.rendered == drawn + 1


def test_another_kind_swaps_only_the_widgets_that_differ(stripes):
    panel = stripes.panel
    kind, bars = widget(panel, "kind"), widget(panel, "bars")
    kind.value = "dots"
    assert widget(panel, "kind") is kind
    assert [w.description for w in panel.controls.children] == ["kind", "shade", "size", "note", "Save figure"]
    assert widget(panel, "shade").max == 0.8
    assert bars.comm is None  # closed, not left behind


def test_clicks_and_keys_of_the_page_change_values(stripes):
    panel = stripes.panel
    panel._heard(None, {"type": "click", "x": 130, "y": 5}, [])
    assert stripes.values["bars"] == 7
    panel._heard(None, {"type": "key", "name": "ArrowLeft"}, [])
    assert stripes.values["shade"] == 0.4
    assert widget(panel, "bars").value == 7
    assert panel.picture.title == "Stripes and dots"
    assert panel.picture.hint == "Click chooses, arrow keys move the choice"


def test_trouble_is_one_line_and_the_last_good_picture_stays(stripes):
    panel = stripes.panel
    widget(panel, "kind").value = "dots"
    good, version = panel.picture.data, panel.picture.version
    widget(panel, "note").value = "missing"
    assert panel.picture.error == "clip 'missing.mp4' is not there: give the path of a video"
    assert (panel.picture.data, panel.picture.version) == (good, version)
    widget(panel, "note").value = ""
    assert panel.picture.error == ""
    assert panel.picture.version == version + 1


def test_an_unexpected_error_is_one_line_too(stripes, monkeypatch):
    panel = stripes.panel
    monkeypatch.setattr(stripes, "render", lambda **values: {}["x"])
    stripes.set(shade=0.1)
    assert panel.picture.error.startswith("KeyError: 'x' (unexpected;")


def test_the_button_saves_the_figure_where_the_explorer_says_and_tells_the_path(stripes, tmp_path):
    stripes.figures = tmp_path
    panel = stripes.panel
    panel.save.click()
    (pdf,) = tmp_path.glob("Stripes-*.pdf")
    assert str(pdf) in panel.picture.told
    assert not panel.save.disabled


def test_the_page_side_asks_nothing_of_a_network(stripes):
    esm = str(stripes.panel.picture._esm)
    assert "export default" in esm
    for word in ("http:", "https:", "import ", "import(", "fetch("):
        assert word not in esm
