"""One table of values through every entrance: what arrives in the notebook, type and value, or that it is refused.

Entrances: the command line (-p), a YAML file, a JSON file, the environment, Python (`run_notebook`) and plain papermill
with the notebook's own `begin`. Each accepted value has a parameter of its own, so one run an entrance shows them all.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import papermill
import pytest

from mvkit.cli import call
from mvkit.errors import OptionError
from mvkit.runs import Parameters, begin, run_notebook
from mvkit.runs.run import parameterised

NO = object()  # refused
UNICODE, SPACES = "Größe 视频 🎞", "my clips/a b=c.mp4"
QUOTES = 'a "b" \'c\' \\d\\"\n{e} %f $g'


@dataclass(frozen=True)
class Row:
    """python: the value there and in papermill; text: the same on a command line; arrives: natively, or NO.

    yaml, json: as written there. papermill: what arrives there, if not the same.
    """

    line: str
    python: Any
    text: str | None
    yaml: str | None
    json: str | None
    arrives: Any
    papermill: Any = ...


TABLE = {
    "flag_false": Row("bool = True", False, "false", "false", "false", False),
    "flag_true": Row("bool = False", True, "True", "TRUE", "true", True),
    "flag_text": Row("bool = True", "false", "FALSE", '"false"', '"false"', False, NO),
    "flag_word": Row("bool = True", "maybe", "maybe", "maybe", '"maybe"', NO),
    "flag_empty": Row("bool = True", "", "", "''", '""', NO),
    "one_for_bool": Row("bool = True", 1, "2", "1", "1", NO),
    "small": Row("float = 0.5", 1e-4, "1e-4", "1e-4", "1e-4", 1e-4),
    "small_text": Row("float = 0.5", "1e-4", " 1E-04 ", "'1e-4'", '"1e-4"', 1e-4, NO),
    "float32": Row("float = 0.1", np.float32(0.5), "0.5", ".5", "0.5", 0.5, NO),
    "float64": Row("float = 0.1", np.float64(0.5), "+0.5", "+0.5", "5e-1", 0.5),
    "int64": Row("int = 0", np.int64(7), "7", "7", "7", 7, NO),
    "numpy_bool": Row("bool = False", np.bool_(True), "yes", "True", "true", True, NO),
    "pair": Row("list[int] = []", (1, 2), "1,2", "[1, 2]", "[1, 2]", [1, 2], NO),
    "integers": Row("list[int] = []", [-1, 2], "[-1, 2]", "\n- -1\n- 2", "[-1, 2]", [-1, 2]),
    "floats": Row("list[float] = []", [1e-4, 2], "1e-4,2", "[1e-4, 2]", "[1e-4, 2]", [1e-4, 2.0]),
    "words": Row("list[str] = []", ["no", "a b"], "no,a b", "[no, a b]", '["no", "a b"]', ["no", "a b"]),
    "empty_list": Row("list[str] = ['a']", [], "", "[]", "[]", []),
    "array": Row("list[int] = []", np.array([3, 4]), "3, 4", "[3,4]", "[3,4]", [3, 4], NO),
    "mixed_list": Row("list[int] = []", [1, 2.5], "1,2.5", "[1, 2.5]", "[1, 2.5]", NO),
    "one_for_list": Row("list[int] = []", 3, "[3", "3", "3", NO),
    "nothing": Row("str | None = 'x'", None, "none", "~", "null", None),
    "nothing_bare": Row("int | None = 3", None, "Null", "", "null", None),
    "nothing_for_int": Row("int = 3", None, "none", "null", "null", NO),
    "nothing_for_str": Row("str = 'x'", None, None, "", "null", NO),
    "negative": Row("int = 0", -3, "-3", "-3", "-3", -3),
    "negative_float": Row("float = 0.0", -2.5, "-2.5", "-2.5", "-2.5", -2.5),
    "unicode": Row("str = ''", UNICODE, UNICODE, UNICODE, '"Gr\\u00f6\\u00dfe 视频 🎞"', UNICODE),
    "quotes": Row("str = ''", QUOTES, QUOTES, json.dumps(QUOTES), json.dumps(QUOTES), QUOTES),
    "path": Row("str = ''", SPACES, SPACES, SPACES, f'"{SPACES}"', SPACES),
    "empty": Row("str = 'x'", "", "", "''", '""', ""),
    "empty_number": Row("int = 3", "", "", "''", '""', NO),
    "digits_for_str": Row("str = ''", "007", "007", "'007'", '"007"', "007"),
    "country": Row("str = ''", "no", "no", "no", '"no"', "no"),
    "number_for_str": Row("str = ''", 5, None, "5", "5", NO),
    "infinite": Row("float = 0.0", float("inf"), "inf", ".inf", "Infinity", NO),
    "no_number": Row("float = 0.0", float("nan"), "nan", ".nan", "NaN", NO),
    "too_large": Row("float = 0.0", 10**400, "1e400", "1e400", "1e400", NO),
    "bool_for_int": Row("int = 0", True, "true", "true", "true", NO),
    "bool_for_float": Row("float = 0.0", True, "true", "true", "true", NO),
    "int_for_float": Row("float = 0.5", 1, "1", "1", "1", 1.0),
    "float_for_int": Row("int = 0", 3.0, "3.0", "3.0", "3.0", NO),
    "word_for_int": Row("int = 0", "1e-4", "1e-4", "1e-4", '"1e-4"', NO),
    "leading_zero": Row("int = 0", 10, "010", "010", "10", 10),
    "number_choice": Row("int = 0  # {0, 7}", 7, "7", "7", "7", 7),
    "bool_for_choice": Row("int = 0  # {0, 1}", True, "true", "true", "true", NO),
    "in_range": Row("float = 0.5  # [0..1)", 0, "0", "0", "0", 0.0),
    "out_of_range": Row("float = 0.5  # [0..1)", 1, "1.0", "1", "1", NO),
    "choice": Row("str = 'a'  # {a, b}", "b", "b", "b", '"b"', "b"),
    "no_choice": Row("str = 'a'  # {a, b}", "c", "c", "c", '"c"', NO),
    "broken_text": Row("str = ''", "a\udcff", "a\udcff", None, '"a\\udcff"', NO),
    "a_mapping": Row("list[int] = []", {"a": 1}, None, "{a: 1}", '{"a": 1}', NO),
}  # fmt: skip
GOOD = {name: row for name, row in TABLE.items() if row.arrives is not NO}
BAD = {name: row for name, row in TABLE.items() if row.arrives is NO}
SHOW = """import mvkit
run = mvkit.runs.begin(parameters=globals(), notebook="small")
run.finish(arrived={name: [type(globals()[name]).__name__, repr(globals()[name])] for name in run.parameters})"""


@pytest.fixture
def notebook(tmp_path, make_notebook, monkeypatch) -> Path:
    """A notebook with all parameters of the table, in the folder where the process works."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MVKIT_RUN_FOLDER", raising=False)
    return make_notebook(tmp_path, SHOW, parameters="\n".join(f"{name}: {row.line}" for name, row in TABLE.items()))


def enter(entrance: str, notebook: Path, names: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Give the values of these rows at one entrance; the exit code of `mvkit run`, or 0 where Python raises nothing."""
    rows = {name: TABLE[name] for name in names}
    match entrance:
        case "command line":
            words = [word for name, row in rows.items() for word in ("-p", f"{name}={row.text}")]
        case "yaml":
            Path("values.yaml").write_text("".join(f"{name}: {row.yaml}\n" for name, row in rows.items()))
            words = ["--params", "values.yaml"]
        case "json":
            lines = [f'"{name}": {row.json}' for name, row in rows.items()]
            Path("values.json").write_text("{" + ",\n".join(lines) + "}")
            words = ["--params", "values.json"]
        case "environment":
            for name, row in rows.items():
                monkeypatch.setenv(f"MVKIT_PARAM_{name}", str(row.text))
            words = []
        case _:
            run_notebook(notebook, {name: row.python for name, row in rows.items()}, progress=False)
            return 0
    return call(["run", "small", *words])


def written(row: Row, entrance: str) -> object:
    """What this row gives at an entrance, None where it has no word for it."""
    return {"yaml": row.yaml, "json": row.json, "python": "any"}.get(entrance, row.text)


@pytest.mark.slow
@pytest.mark.parametrize("entrance", ["command line", "yaml", "json", "environment", "python", "papermill"])
def test_what_is_accepted_arrives_with_its_type_and_value(notebook, monkeypatch, entrance):
    if entrance == "papermill":
        names = [name for name, row in GOOD.items() if row.papermill is not NO]
        values = {name: TABLE[name].python for name in names}
        papermill.execute_notebook(notebook, "out.ipynb", values, kernel_name="python3", progress_bar=False)
    else:
        names = list(GOOD)
        assert enter(entrance, notebook, names, monkeypatch) == 0
    (results,) = Path("reports").glob("small/*/results.json")
    arrived = json.loads(results.read_text())["arrived"]
    wanted = {name: [type(GOOD[name].arrives).__name__, repr(GOOD[name].arrives)] for name in names}
    assert {name: arrived[name] for name in names} == wanted
    kept = json.loads(results.with_name("params.json").read_text())
    assert {name: kept[name] for name in names} == {name: GOOD[name].arrives for name in names}


@pytest.mark.parametrize("entrance", ["command line", "yaml", "json", "environment", "python"])
@pytest.mark.parametrize("name", BAD)
def test_what_is_refused_is_refused_in_one_line_before_anything_is_made(notebook, monkeypatch, capsys, name, entrance):
    if written(TABLE[name], entrance) is None:
        pytest.skip("this entrance has no such word")
    if entrance == "python":
        with pytest.raises(OptionError, match=f"parameter '{name}' wants") as refused:
            enter(entrance, notebook, [name], monkeypatch)
        assert "\n" not in str(refused.value)
    else:
        assert enter(entrance, notebook, [name], monkeypatch) == 2
        said = capsys.readouterr().err
        assert f"parameter '{name}' wants" in said
        assert said.count("\n") == 1
    assert not Path("reports").exists()


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if NO in (row.arrives, row.papermill)])
def test_what_papermill_turns_into_something_else_is_refused_by_the_notebooks_first_cell(notebook, name):
    prepared = parameterised(notebook, {name: TABLE[name].python})
    values: dict[str, Any] = {}
    for cell in prepared.cells[1:3]:  # the parameters cell and papermill's own, as its kernel would run them
        exec(cell.source, values)
    with pytest.raises(OptionError, match=f"parameter '{name}' wants"):
        begin(parameters=values, notebook="small")
    assert not Path("reports").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["flag_true", "false"], "parameter 'flag_true' wants bool, got 'false'"),
        (["flag_tru", "True"], "unknown parameter 'flag_tru'; did you mean 'flag_true'?"),
    ],
)
def test_the_command_papermill_does_not_run_on_with_a_wrong_value_or_name(notebook, words, said):
    command = [sys.executable, "-m", "papermill", str(notebook), "out.ipynb", "-k", "python3", "-p", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert said in done.stderr
    assert not Path("reports").exists()


def test_a_nearer_entrance_goes_before_a_farther_one(notebook, monkeypatch, capsys):
    asked = {}

    def ran(path: str, values: dict[str, Any], **_: Any) -> None:
        asked.update(Parameters.read(notebook).resolve(values))
        raise KeyboardInterrupt

    monkeypatch.setattr("mvkit.runs.run.run_notebook", ran)
    for name in ("negative", "int64", "leading_zero"):
        monkeypatch.setenv(f"MVKIT_PARAM_{name}", "1")
    Path("v.yml").write_text("negative: 2\nint64: 2\n")
    assert call(["run", "small", "--params", "v.yml", "-p", "negative=3"]) == 130
    assert [asked[name] for name in ("negative", "int64", "leading_zero")] == [3, 2, 1]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("v.yaml", "negativ: 3", "unknown parameter 'negativ'; did you mean 'negative'?"),
        ("v.yaml", "negative: 3\nnegative: 4", "'negative' is there twice"),
        ("v.json", '{"negative": 3, "negative": 4}', "'negative' is there twice"),
        ("v.yaml", "- 3", "must hold lines of `name: value`, got list"),
        ("v.yaml", "", "must hold lines of `name: value`, got NoneType"),
        ("v.yaml", "negative: [", "v.yaml: not YAML"),
        ("v.yaml", "negative: !!python/name:os.system", "v.yaml: not YAML"),
        ("v.json", "{negative: 3}", "v.json is not JSON"),
        ("missing.yaml", None, "missing.yaml cannot be read: No such file"),
    ],
)
def test_a_file_of_values_that_is_wrong_is_refused_by_name(notebook, capsys, name, text, said):
    if text is not None:
        Path(name).write_text(text)
    assert call(["run", "small", "--params", name]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_misspelled_variable_is_refused_too(notebook, monkeypatch, capsys):
    monkeypatch.setenv("MVKIT_PARAM_negativ", "3")
    assert call(["run", "small"]) == 2
    assert "unknown parameter 'negativ'; did you mean 'negative'?" in capsys.readouterr().err


def test_help_of_a_notebook_lists_its_parameters_with_type_range_default_and_help(tmp_path, make_notebook, capsys):
    path = make_notebook(tmp_path, "1")
    assert call(["run", str(path), "--help"]) == 0
    said = capsys.readouterr().out
    assert "Parameters of small.ipynb" in said
    for line in (
        "steps: int [1..100] = 3",
        "masker: str {tube, random} = 'tube'",
        "optimiser steps",
        "note: str | None",
    ):
        assert line in said
    assert call(["run", "no such notebook", "--help"]) == 2
