"""`mvkit figure`: listed, drawn again to the same bytes, exported for a paper; never a torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mvkit import viz
from mvkit.cli import call

RUNS = ("00_quickstart/aaaaaaaaaa", "02_videomae/bbbbbbbbbb")


@pytest.fixture
def reports(tmp_path, monkeypatch) -> Path:
    """A project with two runs: both have scores, the newer one a film strip too."""
    (tmp_path / "notebooks").mkdir()
    albums = [
        viz.Album(tmp_path / "reports" / run / "figures", run=run, seed=age, commit="c0ffee0")
        for age, run in enumerate(RUNS)
    ]
    for age, album in enumerate(albums):
        album.add("scores", viz.scores.comparison({"kNN": {"trained": np.array([0.5])}}), caption="Scores.")
        os.utime(album.figures["scores"].json, (age, age))
    clips = np.zeros((1, 2, 8, 8, 3), np.uint8)
    albums[-1].add("clips", viz.clips.strips(clips), caption="Clips.")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "reports"


def test_figures_are_listed_newest_first_with_what_they_show(reports, capsys):
    assert call(["figure", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["clips", "scores", "scores"]
    assert all(word in lines[1] for word in ("scores.comparison", "cvpr-column", "seed 1", "c0ffee0", RUNS[1], " in "))
    assert call(["figure", "list", "reports/00_quickstart", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["name"] == "scores" and row["runs"] == [RUNS[0]] and row["size_inches"][0] == 3.25


def test_an_empty_place_says_so(reports, capsys):
    (reports.parent / "empty").mkdir()
    assert call(["figure", "list", "empty"]) == 0
    assert "no saved figures below" in capsys.readouterr().out
    assert call(["figure", "list", "nowhere"]) == 2


@pytest.mark.parametrize(
    "what", ["reports", "reports/02_videomae/bbbbbbbbbb", "02_videomae", "clips", "02_videomae/bb/scores"]
)
def test_a_folder_a_name_or_run_and_name_are_drawn_again_to_the_same_bytes(reports, capsys, what):
    before = {path: path.read_bytes() for path in reports.rglob("*.*")}
    assert call(["figure", "rebuild", what]) == 0
    out, err = capsys.readouterr()
    assert out and all(line.startswith("same ") for line in out.splitlines()) and not err
    assert before == {path: path.read_bytes() for path in reports.rglob("*.*")}


def test_other_bytes_are_exit_code_1_and_one_line_with_the_versions(reports, capsys):
    path = reports / RUNS[0] / "figures" / "scores.json"
    record = json.loads(path.read_text())
    record["versions"]["matplotlib"], record["sha256"]["png"] = "3.9.0", "0"
    path.write_text(json.dumps(record))
    assert call(["figure", "rebuild", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("differs") and len(err.splitlines()) == 1 and "matplotlib 3.9.0 then, " in err
    assert call(["figure", "rebuild", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["same_bytes"] is False


def test_an_export_leaves_pdf_and_latex_with_a_line_each(reports, capsys):
    assert call(["figure", "export", "02_videomae", "--for", "iccv", "--width", "full", "--out", "paper"]) == 0
    printed = capsys.readouterr().out.split()
    assert sorted(printed) == ["paper/clips.pdf", "paper/clips.tex", "paper/scores.pdf", "paper/scores.tex"]
    assert all(Path(path).is_file() for path in printed)
    assert "figure*" in Path("paper/scores.tex").read_text()
    again = ["figure", "export", "00_quickstart/aa/scores", "--for", "neurips", "--out", "paper", "--as", "other"]
    assert call(again) == 0 and Path("paper/other.tex").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rebuild", "scores"], "2 figures are called 'scores', newest first: "),
        (["rebuild", "scoers"], "unknown figure 'scoers'; did you mean 'scores'"),
        (["rebuild", "notebooks"], "holds no saved figure"),
        (["rebuild", "reports", "--out", "x"], "several figures called scores; give one run at a time"),
        (["export", "clips", "--for", "neurips", "--width", "column", "--out", "x"], "neurips has no width 'column'"),
        (["export", "clips", "--for", "cvrp", "--out", "x"], "unknown conference 'cvrp'; did you mean 'cvpr'"),
        (["export", "02_videomae", "--for", "cvpr", "--out", "x", "--as", "y"], "--as y names one figure"),
        (["export", "clips", "--for", "cvpr"], "--out"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(reports, capsys, arguments, message):
    assert call(["figure", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and message in err
    assert not Path("x").exists()


def test_the_candidates_of_a_name_are_the_newest_first(reports, capsys):
    call(["figure", "rebuild", "scores"])
    err = capsys.readouterr().err
    assert err.index(RUNS[1]) < err.index(RUNS[0])


def test_rebuilding_and_exporting_load_no_torch(reports):
    code = (
        "import sys; from mvkit.cli import call\n"
        "codes = [call(['figure', 'rebuild', 'reports']),\n"
        "         call(['figure', 'export', 'clips', '--for', 'cvpr', '--out', 'paper'])]\n"
        "sys.exit(codes != [0, 0] or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
