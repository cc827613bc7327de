"""12_paper_figures: with no run, with one, and for a page that has one width alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mvkit import viz
from mvkit.runs.run import Outcome, run_notebook

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "12_paper_figures.ipynb"
TINY = {"strategies": ["tube", "motion"], "masks": 8, "frames": 8, "image": 32, "patch": 8}

pytestmark = [pytest.mark.notebook, pytest.mark.slow]


def run(project: Path, **values) -> Outcome:
    (project / "notebooks").mkdir(exist_ok=True)
    shutil.copy(NOTEBOOK, project / "notebooks")
    return run_notebook(project / "notebooks" / NOTEBOOK.name, TINY | values, progress=False)


def test_without_a_run_it_draws_what_needs_a_clip_alone_and_says_what_makes_the_rest(tmp_path):
    outcome = run(tmp_path)
    assert outcome.done, outcome.status.get("cause")
    found = json.loads(outcome.folder.results.read_text())
    assert found["figures"] == ["dashboard", "diagram", "masks"]
    assert {"reconstruction", "curves", "scores"} <= set(found["missing"])
    assert "`mvkit run 00_quickstart` makes one" in outcome.folder.report.read_text()


def test_figures_of_runs_are_redrawn_for_the_page_with_their_latex(tmp_path):
    for notebook, value in (("02_videomae", 0.25), ("03_mvd", 0.5)):
        folder = tmp_path / "reports" / notebook / "0123456789"
        album = viz.Album(folder / "figures", run=f"{notebook}/0123456789", seed=1)
        drawn = viz.scores.comparison({"kNN": {"trained": np.array([value])}})
        album.add("scores", drawn, caption="Scores.")
        (folder / "status.json").write_text('{"state": "done"}')
        (folder / "params.json").write_text("{}")
    outcome = run(tmp_path, venue="neurips", method="mvd", runs="02_videomae 03_mvd")
    assert outcome.done, outcome.status.get("cause")
    figures = outcome.folder.figures
    assert {path.stem for path in figures.glob("*.tex")} == {"02_videomae-scores", "dashboard", "diagram", "masks"}
    record = json.loads((figures / "02_videomae-scores.json").read_text())
    assert record["size_inches"][0] == 5.5 and record["runs"] == ["02_videomae/0123456789"]
    assert r"\includegraphics{02_videomae-scores.pdf}" in outcome.folder.report.read_text()
    assert all(viz.rebuild(path).same_bytes for path in figures.glob("*.json"))
