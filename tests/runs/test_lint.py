"""What `mvkit notebooks check` finds, one by one, and what it leaves alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mvkit.cli import call
from mvkit.errors import RunError
from mvkit.runs.lint import check_notebook

BEGIN = 'run = mvkit.runs.begin(parameters=globals(), notebook="small")'


@pytest.fixture
def book(tmp_path) -> Path:
    """A notebook without a fault, notebooks/small.ipynb."""
    cells = [
        new_markdown_cell("# Small", id="title"),
        new_code_cell("steps: int = 3  # how many", id="parameters", metadata={"tags": ["parameters"]}),
        new_code_cell(f"%matplotlib inline\nimport mvkit\n\n{BEGIN}", id="begin"),
        new_code_cell("twice = [2 * step for step in range(steps)]\nurl = '/'", id="double"),
    ]
    path = tmp_path / "notebooks" / "small.ipynb"
    path.parent.mkdir()
    nbformat.write(new_notebook(cells=cells), path)
    return path


def edit(path: Path, change: Callable[[Any], object]) -> None:
    nb = nbformat.read(path, as_version=4)
    change(nb)
    nbformat.write(nb, path)


def test_a_notebook_without_a_fault_has_no_problem(book):
    assert check_notebook(book) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda nb: nb.cells.pop(0), "does not begin with a title cell"),
        (lambda nb: nb.cells.pop(1), "no cell tagged 'parameters'"),
        (lambda nb: nb.cells[1].update(source="steps: int = 3"), "parameter 'steps' has no help"),
        (lambda nb: nb.cells[1].update(source="steps = 3  # how many"), "wanted `name: type = literal"),
        (lambda nb: nb.cells[3].metadata.update(tags=["parameters"]), "2 cells tagged 'parameters'"),
        (lambda nb: nb.cells[3].update(id="a1b2c3"), "cell id 'a1b2c3' is no name"),
        (lambda nb: nb.cells[2].update(source="import mvkit"), 'no begin(..., notebook="small") in it'),
        (lambda nb: nb.cells[2].update(source=BEGIN.replace("small", "other")), "but of 'other'"),
        (lambda nb: nb.cells[3].update(execution_count=3), "has outputs"),
        (lambda nb: nb.cells[3].outputs.append(new_output("stream", text="x")), "has outputs"),
        (lambda nb: nb.cells[3].update(source=f"x = '{'x' * 130}'"), "a line of 136 characters"),
        (lambda nb: nb.cells[3].update(source="x = 1\n" * 17), "17 lines, wanted 16"),
        (lambda nb: nb.cells[3].update(source="class A:\n    pass"), "defines a class in line 1"),
        (lambda nb: nb.cells[3].update(source="def f():\n    pass"), "defines a function in line 1"),
        (lambda nb: nb.cells[3].update(source="if steps:\n    for a in range(3):\n        a"), "has a loop in line 2"),
        (lambda nb: nb.cells[3].update(source="while steps:\n    break"), "has a loop in line 1"),
        (lambda nb: nb.cells[3].update(source="open('/data/ssv2/train.csv')"), "absolute path '/data/ssv2/train.csv'"),
        (lambda nb: nb.cells[3].update(source="open('C:\\\\clips\\\\a.mp4')"), "absolute path"),
        (lambda nb: nb.cells[3].update(source="open('~/a.mp4')"), "absolute path"),
        (lambda nb: nb.cells[0].update(source="# Small\n\nin /home/someone/clips"), "names a folder of one machine"),
        (lambda nb: nb.cells[3].update(source="x = ("), "does not parse"),
    ],
)
def test_each_fault_is_found_alone_with_its_cell(book, change, said):
    edit(book, change)
    (found,) = check_notebook(book)
    assert said in found.line()
    assert found.line().startswith("small.ipynb")


def test_two_cells_of_one_name_are_found(book):
    text = book.read_text().replace('"id": "double"', '"id": "begin"')
    book.write_text(text)
    assert [p.text for p in check_notebook(book)] == ["2 cells have the id 'begin': each wants its own"]


def test_what_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "a.ipynb").write_text("{")
    with pytest.raises(RunError, match=r"a\.ipynb is not a notebook"):
        check_notebook(tmp_path / "a.ipynb")


def test_the_command_says_each_problem_in_a_line_and_ends_with_1(book, capsys, monkeypatch):
    monkeypatch.chdir(book.parents[1])
    assert call(["notebooks", "check"]) == 0
    assert "1 notebooks, 0 problems" in capsys.readouterr().err
    edit(book, lambda nb: nb.cells.pop(0))
    assert call(["notebooks", "check", str(book)]) == 1
    assert capsys.readouterr().out.startswith("small.ipynb: does not begin")


def test_with_run_a_notebook_that_does_not_come_to_its_end_is_a_problem(book, capsys, monkeypatch):
    monkeypatch.chdir(book.parents[1])
    edit(book, lambda nb: nb.cells[3].update(source="1 / (steps - 4)"))
    assert call(["notebooks", "check", "--run", "-p", "steps=4", "-p", "other=3"]) == 1
    assert "small.ipynb, cell double: failed: ZeroDivisionError: division by zero" in capsys.readouterr().out
    assert not (book.parents[1] / "reports").exists()
