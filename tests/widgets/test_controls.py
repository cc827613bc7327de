"""A control says what a value may be, in one line, before anything is drawn."""

import pytest

from mvkit.errors import OptionError
from mvkit.widgets import Control

RATIO = Control("ratio", "float", 0.9, low=0, high=1)
STEP = Control("frame_step", "int", 2, low=1)


def test_a_value_in_range_is_kept_and_a_whole_number_becomes_a_float_where_one_is_wanted():
    assert RATIO.check(1) == 1.0
    assert isinstance(RATIO.check(1), float)
    assert STEP.check(40) == 40


@pytest.mark.parametrize("value", [-0.1, 1.01, float("nan"), "0.5", True, None])
def test_what_is_out_of_range_or_of_another_type_is_refused_with_the_range(value):
    with pytest.raises(OptionError, match="ratio must be a number at least 0 and at most 1, got"):
        RATIO.check(value)


def test_true_is_no_number_and_one_is_no_switch():
    with pytest.raises(OptionError, match="a whole number at least 1, got True"):
        STEP.check(True)
    with pytest.raises(OptionError, match="True or False, got 1"):
        Control("shared", "bool", False).check(1)


def test_an_unknown_choice_is_told_the_nearest_one():
    with pytest.raises(OptionError, match="did you mean 'tube'"):
        Control("strategy", "choice", "tube", choices=("tube", "random")).check("tub")


def test_none_is_a_value_only_where_it_is_the_default():
    assert Control("keep", "int", None, low=0).check(None) is None
    with pytest.raises(OptionError, match="a whole number"):
        STEP.check(None)


def test_the_label_is_the_name_in_words_unless_one_is_given():
    assert STEP.label == "frame step"
    assert Control("x", "int", 0, label="column").label == "column"


def test_a_control_that_contradicts_itself_is_refused_when_it_is_made():
    with pytest.raises(OptionError, match="unknown kind of control 'a'"):
        Control("a", "number", 1)
    with pytest.raises(OptionError, match="choices belong"):
        Control("a", "choice", "x")
    with pytest.raises(OptionError, match="at most 1, got 2"):
        Control("a", "int", 2, high=1)


def test_a_control_hides_where_its_condition_does_not_hold():
    second = Control("other", "int", 0, when=lambda values: values["two"])
    assert second.shown({"two": True})
    assert not second.shown({"two": False})
