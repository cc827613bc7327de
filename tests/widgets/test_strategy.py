"""Controls made of what maskers declare, and maskers made of the values of controls."""

from dataclasses import fields

import pytest

import mvkit
from mvkit import maskers
from mvkit.widgets.strategy import call_of, controls_of, masker_of, options_of


def defaults(name: str, prefix: str = "") -> dict:
    return {control.name: control.default for control in controls_of(name, prefix)}


@pytest.mark.parametrize("name", maskers.available())
def test_every_field_is_a_control_with_its_range_choices_and_help(name):
    controls = {control.name: control for control in controls_of(name)}
    for field in fields(maskers.get(name)):
        control, meta = controls.pop(field.name), field.metadata
        assert (control.default, control.low, control.high) == (field.default, meta["low"], meta["high"])
        assert (control.choices, control.help) == (tuple(meta["choices"]), meta["help"])
        kind = "choice" if meta["choices"] else type(field.default).__name__.replace("NoneType", "int")
        assert control.kind == kind
    assert not controls


@pytest.mark.parametrize("name", maskers.available())
def test_default_values_give_the_default_masker_whatever_the_prefix(name):
    for prefix in ("", "second_"):
        assert masker_of(name, defaults(name, prefix), prefix) == maskers.create(name)


def test_values_that_differ_become_options_and_the_call_says_them():
    values = {**defaults("block"), "ratio": 0.25, "roll": True, "rounding": "keep_floor"}
    options = options_of("block", values)
    assert options == {"ratio": 0.25, "roll": True, "rounding": "keep_floor"}
    assert call_of("block", options) == 'mvkit.maskers.create("block", ratio=0.25, rounding="keep_floor", roll=True)'
    assert eval(call_of("block", options), {"mvkit": mvkit}) == maskers.create("block", **options)


def test_a_count_stands_in_place_of_a_ratio_which_then_is_not_shown():
    values = {**defaults("tube", "second_"), "second_ratio": 0.5, "second_keep": 3}
    assert options_of("tube", values, "second_") == {"keep": 3}
    shown = {control.name for control in controls_of("tube", "second_") if control.shown(values)}
    assert shown == {"second_keep"}
    assert {c.name for c in controls_of("tube") if c.shown(defaults("tube"))} == {"ratio", "rounding", "keep"}
