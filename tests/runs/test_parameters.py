"""One table of values through the entrance of the runner (text or native) and that of the notebook (native only)."""

import json

import numpy as np
import pytest

from mvkit.errors import OptionError, RunError
from mvkit.runs.parameters import Parameters, injected_names

CELL = """
# a line of its own is only a comment
steps: int = 200  # optimiser steps [1..1000]
rate: float = 1e-3  # learning rate (0..1]
flag: bool = False  # a switch
masker: str = "tube"  # strategy {tube, random}
size: int | None = 2  # {2, 7}
layers: list[int] = [4, 8]  # of the encoder [0..12]
names: list[str] = []  # any
weights: list[float] = [0.5]
seed: int | None = None  # none draws one [0..]
card: str | None = "moving_shapes"
"""


@pytest.fixture
def parameters() -> Parameters:
    return Parameters.of_source(CELL, "nb.ipynb")


@pytest.mark.parametrize(
    ("name", "text", "native"),
    [
        ("flag", "false", False),
        ("flag", "true", True),
        ("flag", "False", False),
        ("rate", "1e-4", 1e-4),
        ("rate", "1", 1.0),
        ("steps", "10", 10),
        ("steps", " 10 ", 10),
        ("masker", "random", "random"),
        ("size", "7", 7),
        ("size", "none", None),
        ("layers", "1,2", [1, 2]),
        ("layers", "[1, 2]", [1, 2]),
        ("layers", "", []),
        ("names", "a, b", ["a", "b"]),
        ("names", '["a, b", "c"]', ["a, b", "c"]),
        ("weights", "1e-4,2", [1e-4, 2.0]),
        ("seed", "none", None),
        ("seed", "5", 5),
        ("card", "5", "5"),
        ("card", "null", None),
    ],
)
def test_text_becomes_the_native_type(parameters, name, text, native):
    value = parameters.resolve({name: text})[name]
    assert value == native
    assert type(value) is type(native)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flag", "maybe"),
        ("flag", ""),
        ("flag", "2"),
        ("steps", "1e-4"),
        ("steps", "ten"),
        ("steps", "true"),
        ("steps", "0"),
        ("steps", "1001"),
        ("steps", "none"),
        ("rate", "0"),
        ("rate", "1.5"),
        ("rate", "nan"),
        ("rate", "inf"),
        ("rate", "fast"),
        ("masker", "tub"),
        ("size", "small"),
        ("layers", "1,x"),
        ("layers", "[1, 2"),
        ("layers", "[1, 2.5]"),
        ("layers", "1,13"),
        ("names", "[1]"),
        ("seed", "-1"),
    ],
)
def test_text_that_is_no_value_of_the_type_is_refused_in_one_line_naming_the_parameter(parameters, name, text):
    with pytest.raises(OptionError) as refused:
        parameters.resolve({name: text})
    assert f"'{name}'" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "given", "native"),
    [
        ("steps", np.int64(3), 3),
        ("rate", np.float32(0.5), 0.5),
        ("rate", 1, 1.0),
        ("flag", np.bool_(True), True),
        ("layers", (1, 2), [1, 2]),
        ("layers", [np.int32(1)], [1]),
        ("layers", np.array([1, 2]), [1, 2]),
        ("seed", None, None),
    ],
)
def test_native_values_numpy_scalars_and_tuples_arrive_native(parameters, name, given, native):
    for value in (parameters.resolve({name: given})[name], parameters[name].check(given)):
        assert value == native
        assert type(value) is type(native)
        assert json.loads(json.dumps(value)) == native


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("steps", True),
        ("steps", 3.0),
        ("steps", None),
        ("rate", True),
        ("flag", 1),
        ("masker", 5),
        ("layers", 3),
        ("layers", [True]),
        ("layers", {"a": 1}),
        ("size", 8),
    ],
)
def test_native_values_of_another_type_are_refused(parameters, name, given):
    with pytest.raises(OptionError, match=f"'{name}' wants"):
        parameters.resolve({name: given})


def test_inside_the_notebook_text_is_not_taken_for_a_number_because_the_cells_would_use_the_text(parameters):
    values = parameters.resolve()
    for name, text in (("flag", "false"), ("rate", "1e-4"), ("steps", "3"), ("layers", "1,2")):
        with pytest.raises(OptionError, match=f"'{name}' wants"):
            parameters.check({**values, name: text})
    assert parameters.check({**values, "something_else": object()}) == values


def test_a_parameter_that_the_notebook_has_not_set_is_missed(parameters):
    with pytest.raises(OptionError, match="'steps' has no value"):
        parameters.check({})


def test_defaults_are_used_and_order_is_the_cells(parameters):
    values = parameters.resolve({"card": "ucf101"})
    assert list(values)[:3] == ["steps", "rate", "flag"]
    assert values["steps"] == 200
    assert values["card"] == "ucf101"


def test_an_unknown_name_suggests_the_nearest(parameters):
    with pytest.raises(OptionError, match=r"unknown parameter 'stpes'; did you mean 'steps'\?"):
        parameters.resolve({"stpes": "3"})


def test_help_loses_its_limit_and_keeps_its_words(parameters):
    assert parameters["steps"].help == "optimiser steps"
    assert str(parameters["steps"].kind) == "int [1..1000]"
    assert str(parameters["seed"].kind) == "int | None [0..]"
    assert str(parameters["rate"].kind) == "float (0..1]"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("steps = 3", "wanted `name: type = literal"),
        ("steps: int", "wanted `name: type = literal"),
        ("import os", "wanted `name: type = literal"),
        ("steps: int = 2 * 3", "must be a literal"),
        ("path: Path = 'x'", "is not one of bool, int"),
        ("size: Literal['a'] = 'a'", "choices stand in the help, as {a, b}"),  # no kernel knows the name Literal there
        ("steps: int = 'x'", "the default of 'steps'"),
        ("steps: int = 0  # [1..5]", "the default of 'steps'"),
        ("name: str = 'a'  # [1..5]", "needs an int or a float"),
        ("flag: bool = True  # {True, False}", "choices"),
        ("steps: int = (", "line 1"),
        ("a: int = 1\na: int = 2", "line 2: 'a' is there twice"),
    ],
)
def test_a_parameters_cell_that_cannot_be_read_says_which_line_and_why(line, reason):
    with pytest.raises(OptionError, match="parameters cell, line") as refused:
        Parameters.of_source(line, "nb.ipynb")
    assert reason in str(refused.value)


def test_a_notebook_without_a_parameters_cell_has_none_and_one_with_two_is_refused(tmp_path, make_notebook):
    path = make_notebook(tmp_path, "1 + 1")
    assert list(Parameters.read(path)) == ["steps", "rate", "flag", "masker", "layers", "note"]
    nb = json.loads(path.read_text())
    nb["cells"].append(nb["cells"][1])
    path.write_text(json.dumps(nb))
    with pytest.raises(OptionError, match="2 cells tagged"):
        Parameters.read(path)
    nb["cells"] = [cell for cell in nb["cells"] if not cell["metadata"].get("tags")]
    path.write_text(json.dumps(nb))
    assert len(Parameters.read(path)) == 0


def test_a_file_that_is_no_notebook_is_refused(tmp_path):
    for name, text in (("text.ipynb", "hello"), ("list.ipynb", "[]"), ("old.ipynb", '{"nbformat": 3, "cells": []}')):
        (tmp_path / name).write_text(text)
        with pytest.raises(RunError, match=name):
            Parameters.read(tmp_path / name)
    with pytest.raises(RunError, match="no such notebook"):
        Parameters.read(tmp_path / "missing.ipynb")


def test_names_that_papermill_put_in_are_found_and_other_cells_are_not_its():
    assert injected_names("# Parameters\nstpes = 3\nflag = 'false'\n") == ["stpes", "flag"]
    assert injected_names("stpes = 3") == []
    assert injected_names("# Parameters\n%matplotlib inline") == []
    assert injected_names("# Parameters of the plot\nwidth = 3") == []
    assert injected_names("# Parameters\nsteps: int = 3") == []


def test_help_names_a_file_only_in_its_last_word_and_only_a_kind_that_is_known():
    cell = 'clip: str = ""  # your own <video>\nteacher: str = "run:x"  # run:<folder> or timm:<name>'
    parameters = Parameters.of_source(cell)
    assert (str(parameters["clip"].kind), parameters["clip"].help) == ("str <video>", "your own")
    assert parameters["teacher"].help == "run:<folder> or timm:<name>"
    with pytest.raises(OptionError, match="unknown kind of file 'vidoe'; did you mean 'video'"):
        Parameters.of_source('clip: str = ""  # your own <vidoe>')
    with pytest.raises(OptionError, match="<file> needs a str, not int"):
        Parameters.of_source("clip: int = 1  # <file>")


def test_a_file_is_looked_for_from_the_project_root_and_an_empty_text_or_none_names_none(tmp_path):
    cell = 'one: str = ""  # <file>\nmany: list[str] = []  # <file>\nnone: str | None = None  # <file>'
    parameters = Parameters.of_source(cell)
    (tmp_path / "a b.txt").touch()
    parameters.look(parameters.resolve({"one": "a b.txt", "many": "a b.txt"}), tmp_path)
    parameters.look(parameters.resolve(), tmp_path)
    for given in ({"one": "c.txt"}, {"many": "a b.txt,c.txt"}, {"none": "c.txt"}):
        with pytest.raises(OptionError, match=rf"'{next(iter(given))}' wants .*<file>: .*c\.txt: no such file"):
            parameters.look(parameters.resolve(given), tmp_path)
