"""Two runs compared: what counts as a difference, what the terminal and the page say, and the exit code."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from mvkit.cli import call
from mvkit.errors import OptionError, RunError
from mvkit.runs import RunFolder
from mvkit.runs.diff import diff_runs
from mvkit.runs.diff_page import diff_page
from mvkit.runs.status import Status

# A picture of one pixel, and the same with another byte at its end.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def make(
    reports: Path, name: str, *, seed: int = 0, loss: float = 0.5, figure: bytes = PNG, code: str = "a = 1"
) -> RunFolder:
    run = RunFolder(reports / "small" / name)
    run.prepare({"seed": seed, "steps": 3})
    Status(run, notebook="small.ipynb", runner="mvkit run").end("done")
    record = {"time": name, "code": {"commit": "abc", "hash": "1"}, "seeds": {"seed": seed}}
    run.provenance.write_text(json.dumps(record))
    run.metrics.write_text(f'{{"step": 1, "loss": 9}}\n{{"step": 2, "loss": {loss}, "clips_per_s": {seed}}}\n{{"to')
    scores = [{"encoder": "trained", "value": loss / 2}]
    run.results.write_text(json.dumps({"scores": scores, "seconds": seed, "word": "same", "nan": "NaN"}))
    (run.figures / "masks.png").write_bytes(figure)
    cells = [new_code_cell(code, id="one", execution_count=seed, outputs=[new_output("stream", text=str(seed))])]
    nbformat.write(new_notebook(cells=cells), run.notebook)
    return run


def test_a_run_and_itself_agree_in_everything(tmp_path):
    a, b = make(tmp_path, "aaa"), make(tmp_path, "bbb")
    found = diff_runs(a, b)
    assert (found.parameters, found.provenance, found.texts, found.outside, found.notebook) == ([], [], [], [], "")
    assert [row.agrees for row in found.figures] == [True]
    assert {row.name for row in found.numbers} == {"last step", "last loss", "scores.0.value"}


def test_rows_name_what_differs_and_speeds_are_no_result(tmp_path):
    a, b = make(tmp_path, "aaa"), make(tmp_path, "bbb", seed=3, loss=0.505, figure=PNG + b"x", code="a = 2")
    found = diff_runs(a, b, tolerance=0.001)
    assert [row.line() for row in found.parameters] == ["seed: 0 -> 3"]
    assert [row.name for row in found.provenance] == ["seeds.seed"]
    assert [row.name for row in found.outside] == ["last loss", "scores.0.value"]
    assert [row.agrees for row in found.figures] == [False]
    assert "a = 1" in found.notebook and "a = 2" in found.notebook
    assert diff_runs(a, b, tolerance=0.01).outside == []


def test_outputs_are_compared_only_on_request(tmp_path):
    a, b = make(tmp_path, "aaa"), make(tmp_path, "bbb", seed=3)
    assert diff_runs(a, b).notebook == ""
    assert "outputs" in diff_runs(a, b, outputs=True).notebook


def test_a_number_that_one_run_does_not_have_is_outside_any_tolerance(tmp_path):
    a, b = make(tmp_path, "aaa"), make(tmp_path, "bbb")
    b.results.write_text(json.dumps({"scores": [{"encoder": "trained", "value": "NaN"}]}))
    (row,) = diff_runs(a, b, tolerance=0.9).outside
    assert (row.name, row.a, row.b) == ("scores.0.value", 0.25, "NaN")
    (b.figures / "masks.png").unlink()
    b.notebook.unlink()
    found = diff_runs(a, b)
    assert [(row.b, row.agrees) for row in found.figures] == [("absent", False)]
    assert found.notebook.startswith("no executed notebook in")


def test_no_run_and_no_tolerance_are_refused(tmp_path):
    a = make(tmp_path, "aaa")
    with pytest.raises(RunError, match="holds no run"):
        diff_runs(a, RunFolder(tmp_path / "nothing"))
    for tolerance in (-1, 1, float("nan")):
        with pytest.raises(OptionError, match="tolerance must be"):
            diff_runs(a, a, tolerance=tolerance)


def test_the_command_finds_runs_by_the_start_of_their_name_and_ends_with_1_outside_the_tolerance(tmp_path, capsys):
    make(tmp_path, "aaa")
    make(tmp_path, "bbb", seed=3, loss=0.505)
    words = ["diff", "small/aa", "small/bb", "--reports", str(tmp_path)]
    assert call(words) == 1
    said = capsys.readouterr().out
    assert "numbers: differ\n  last loss: 0.5 -> 0.505" in said
    assert "figures: the same" in said
    assert call([*words, "--tolerance", "0.02", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outside"] == 0
    assert call(["diff", "small/aa", "small/zz", "--reports", str(tmp_path)]) == 2


def test_the_page_holds_all_and_asks_nothing_of_the_network(tmp_path, capsys):
    a, b = make(tmp_path, "aaa"), make(tmp_path, "bbb", seed=3, figure=PNG + b"x", code="a = '<script>'")
    page = tmp_path / "difference.html"
    assert call(["diff", str(a.path), str(b.path), "--reports", str(tmp_path), "--html", str(page)]) == 0
    html = page.read_text()
    assert html.count("data:image/png;base64,") == 2
    assert "masks: differs" in html
    assert "<script" not in html
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "default-src 'none'" in html
    assert diff_page(diff_runs(a, b)) == html
