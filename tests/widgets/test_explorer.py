"""An explorer checks what it is told, draws it, says it in words; none of it needs a kernel."""

import subprocess
import sys

import numpy as np
import pytest

from mvkit.errors import OptionError


def test_values_begin_at_the_defaults_and_change_where_they_are_told(stripes):
    assert stripes.values == {"kind": "bars", "shade": 0.5, "bars": 4, "note": ""}
    stripes.set(bars=2, shade=1)
    assert stripes.values == {"kind": "bars", "shade": 1.0, "bars": 2, "note": ""}


def test_another_kind_brings_other_controls_and_takes_a_value_it_does_not_allow_back_to_its_default(stripes):
    stripes.set(shade=0.9)
    stripes.set(kind="dots", size=7)
    assert stripes.values == {"kind": "dots", "shade": 0.5, "size": 7, "note": ""}


def test_a_refused_change_changes_nothing_and_a_misspelled_name_is_told_the_nearest(stripes):
    before = dict(stripes.values)
    with pytest.raises(OptionError, match="control of Stripes 'shad'; did you mean 'shade'"):
        stripes.set(shad=0.1)
    with pytest.raises(OptionError, match=r"at most 0\.8, got 0\.9"):
        stripes.set(kind="dots", shade=0.9)
    assert stripes.values == before


def test_first_values_are_checked_as_later_ones_are(stripes):
    assert type(stripes)(kind="dots", size=2).values["size"] == 2
    with pytest.raises(OptionError, match="size"):
        type(stripes)(size=2)  # "bars" has none


def test_a_picture_of_other_values_leaves_the_values_alone(stripes):
    assert (stripes.picture(bars=8, shade=1.0) == 0).all()
    assert stripes.values["bars"] == 4


def test_listeners_hear_of_a_change_once_and_not_where_nothing_changes(stripes):
    heard = []
    stripes.listen(lambda: heard.append(dict(stripes.values)))
    stripes.set(bars=2, shade=0.1)
    stripes.set(bars=2)
    assert [values["bars"] for values in heard] == [2]


def test_words_for_those_who_do_not_see_it_leave_the_code_out(stripes):
    assert stripes.alt(stripes.facts(shade=0.25)) == "Stripes and dots. shade: 25% <black>."


def test_a_saved_figure_has_its_caption_and_facts_from_the_words(stripes, tmp_path):
    saved = stripes.save("fall", tmp_path)
    assert saved.record["facts"]["Python"] == "draw('bars', 0.5)"
    assert "shade: 50%" in saved.record["caption"]
    assert saved.pdf.exists()


def test_it_prints_as_the_call_that_made_it(stripes):
    assert repr(stripes) == "Stripes(kind='bars', shade=0.5, bars=4, note='')"


def test_drawing_loads_no_widgets():
    code = (
        "import sys, mvkit.widgets.explorer, mvkit.widgets.canvas, mvkit.widgets.twin;"
        "print(sorted({'ipywidgets', 'anywidget', 'torch'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_the_base_renders_uint8(stripes):
    picture = stripes.picture()
    assert picture.dtype == np.uint8
    assert picture.shape == (60, 160, 3)
