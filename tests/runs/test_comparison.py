"""Methods compared: who is, what tables and figures get, what tests say of few seeds, and what is missing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mvkit import viz
from mvkit.errors import OptionError, ShapeError
from mvkit.runs.comparison import Comparison
from mvkit.runs.paired import holm, limits, paired, rows
from mvkit.runs.run import Outcome, run_notebook
from mvkit.runs.site.choice import choose

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "11_compare_methods.ipynb"
SPEC = {"card": "moving_shapes", "data": {"seed": 7}, "image": 64, "batch": 10, "steps": 20}
TITLES = {"videomae": "VideoMAE", "mvd": "student"}  # what notebooks call the encoder they trained


def make(reports: Path, name: str, method: str, seed: int, *, motion: float, spec=None, code: str = "c0de", **options):
    run = reports / name
    run.mkdir(parents=True)
    scores = [
        {"encoder": encoder, "labels": "motion", "measure": "knn", "accuracy": value, "chance": 0.125}
        for encoder, value in (("untrained", 0.125), (TITLES.get(method, method), motion))
    ]
    journal = [
        {"step": 0, "monitor/knn/motion": 0.1},
        {"step": 10, "loss": 1.0, "clips_per_s": 10.0},
        {"step": 20, "loss": 0.5, "clips_per_s": 20.0},
        {"step": 20, "monitor/knn/motion": motion},
    ]
    written = {
        "status": {"state": "done", "seconds": 60.0},
        "params": {**options, "seed": seed},
        "provenance": {"code": {"hash": code * 16}},
        "results": {"scores": scores},
        "spec": {**SPEC, "method": method, "seed": seed, **(spec or {})},
    }
    for stem, content in written.items():
        (run / f"{stem}.json").write_text(json.dumps(content))
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in journal))


@pytest.fixture
def compared(tmp_path) -> Comparison:
    """VideoMAE with three seeds, MVD with two of them, one run on other clips."""
    for seed, motion in enumerate((0.2, 0.25, 0.3)):
        make(tmp_path, f"02_videomae/{seed}", "videomae", seed, motion=motion)
    for seed, motion in enumerate((0.3, 0.45)):
        make(tmp_path, f"03_mvd/{seed}", "mvd", seed, motion=motion)
    make(tmp_path, "04_amd/a", "amd", 0, motion=0.9, spec={"image": 32})
    return Comparison(choose(tmp_path))


def test_only_runs_on_the_clips_of_most_methods_are_compared(compared):
    assert list(compared.contenders) == ["VideoMAE", "MVD"]
    assert [len(one.runs) for one in compared.contenders.values()] == [3, 2]
    assert list(compared.left_out) == ["04_amd/a"] and "image 32" in compared.left_out["04_amd/a"]
    assert "Runs 5, contenders 2, on the same clips" in repr(compared)


def test_tables_and_figures_get_means_spreads_and_chance(compared):
    assert compared.table()[0] == {"method": "VideoMAE", "n": 3, "kNN motion": "0.25 ± 0.05"}
    scores = compared.scores()
    np.testing.assert_allclose(scores["values"]["kNN motion"]["MVD"], [0.3, 0.45])
    assert scores["chance"] == {"kNN motion": 0.125}
    curves = compared.curves()
    assert curves["values"]["motion"]["VideoMAE"].shape == (2, 4)  # steps 0 and 20; the step and three seeds
    assert r"MVD & 2 & $\mathbf{37.5} \pm 10.6$ \\" in compared.latex()
    assert r"VideoMAE & 3 & $25.0 \pm 5.0$ \\" in compared.latex()


def test_cost_is_the_time_of_the_steps_alone(compared):
    # 10 steps of 10 clips at 10 a second, then 10 more at 20: 15 seconds of the run's 60.
    np.testing.assert_allclose(compared.points("", "training")["MVD"], [[0.25, 0.3], [0.25, 0.45]])
    np.testing.assert_allclose(compared.points("kNN motion", "run")["MVD"][:, 0], [1, 1])
    np.testing.assert_allclose(compared.points("kNN motion", "steps")["MVD"][:, 0], [20, 20])
    with pytest.raises(OptionError, match="unknown cost 'dollars'"):
        compared.points("", "dollars")
    with pytest.raises(OptionError, match="did you mean 'kNN motion'"):
        compared.points("kNN motoin", "run")


def test_differences_pair_the_seeds_that_both_have(compared):
    (found,) = compared.differences()
    assert (found.first, found.second, found.n) == ("VideoMAE", "MVD", 2)
    assert found.mean == pytest.approx(0.15)
    own = {one.second: one.mean for one in compared.differences("untrained")}
    assert own == pytest.approx({"VideoMAE": 0.125, "MVD": 0.25})
    with pytest.raises(OptionError, match="unknown baseline 'AMD'"):
        compared.differences("AMD")


def test_what_is_missing_comes_with_its_command(compared):
    said = {row["missing"]: row["command"] for row in compared.missing(3)}
    assert said["MVD: 2 of 3 seeds (has 0, 1)"] == "mvkit sweep 03_mvd -g seed=0,1,2"
    assert said["UMT: no run on these clips"] == "mvkit sweep 06_umt -g seed=0,1,2"
    assert not any(name.startswith("VideoMAE") for name in said)


def test_settings_of_one_method_are_contenders_of_their_own_and_so_is_other_code(tmp_path):
    for seed in range(2):
        make(tmp_path, f"02_videomae/a{seed}", "videomae", seed, motion=0.2, ratio=0.75)
        make(tmp_path, f"02_videomae/b{seed}", "videomae", seed, motion=0.3, ratio=0.9)
        make(tmp_path, f"02_videomae/c{seed}", "videomae", seed, motion=0.3, ratio=0.9, code="beef")
    found = Comparison(choose(tmp_path))
    assert len(found.contenders) == 3 and all(len(one.runs) == 2 for one in found.contenders.values())
    assert "VideoMAE (ratio 0.75)" in found.contenders
    assert {row["settings"] for row in found.table()} == {
        "ratio 0.75", "ratio 0.9, code c0dec0d", "ratio 0.9, code beefbee"
    }  # fmt: skip
    assert "2 versions of the code" in repr(found)
    assert "-p ratio=0.75" in next(r["command"] for r in found.missing(3) if "(ratio 0.75)" in r["missing"])


def test_without_a_run_it_says_so_and_how_to_make_some(tmp_path):
    found = Comparison([])
    assert not found and "No run here" in repr(found)
    assert found.differences() == [] and found.table() == [] and found.curves() == {}
    assert len(found.missing()) == 5
    assert "nothing can be paired" in limits([])


def test_the_interval_and_p_values_are_those_of_scipys_paired_tests():
    before, after = [0.2, 0.25, 0.3, 0.22, 0.31], [0.26, 0.29, 0.33, 0.31, 0.36]
    found = paired("kNN", "A", "B", before, after)
    wanted = stats.ttest_rel(after, before)
    interval = wanted.confidence_interval(0.95)
    assert found.t == pytest.approx(wanted.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.wilcoxon == pytest.approx(2 / 2**5)  # all of one sign: the least that five seeds can give


def test_one_seed_and_equal_differences_have_neither_interval_nor_p():
    assert paired("kNN", "A", "B", [0.1], [0.3]).record()["t"] is None
    equal = paired("kNN", "A", "B", [0.1, 0.2], [0.3, 0.4])
    assert (equal.mean, equal.low, equal.t) == (pytest.approx(0.2), None, None)
    assert rows([equal])[0]["95 % interval"] == "none"
    with pytest.raises(ShapeError, match="same seeds"):
        paired("kNN", "A", "B", [0.1], [0.2, 0.3])


def test_holm_corrects_for_the_comparisons_made_and_never_falls():
    def one(p):
        return paired("kNN", "A", "B", [0.0, 0.0], [0.1, 0.2]).__class__("kNN", "A", "B", 3, 0.1, 0.0, 0.2, p, 0.25)

    assert [x.holm for x in holm([one(0.03), one(0.01), one(0.02), one(None)])] == pytest.approx(
        [0.04, 0.03, 0.04, None]
    )


def test_words_about_few_seeds_say_that_p_means_little():
    three = paired("kNN", "A", "B", [0.1, 0.2, 0.3], [0.2, 0.25, 0.5])
    said = limits([three])
    assert "n = 3 seeds" in said and "cannot be below 0.25" in said and "p values mean little" in said
    ten = paired("kNN", "A", "B", np.arange(10), np.arange(10) + np.linspace(1, 2, 10))
    assert "mean little" not in limits([ten])
    assert "not about other clips" in limits([ten])


def run(project: Path, **values) -> Outcome:
    (project / "notebooks").mkdir(exist_ok=True)
    shutil.copy(NOTEBOOK, project / "notebooks")
    return run_notebook(project / "notebooks" / NOTEBOOK.name, values, progress=False)


@pytest.mark.notebook
@pytest.mark.slow
def test_the_notebook_ends_well_without_a_run_and_says_what_makes_some(tmp_path):
    outcome = run(tmp_path)
    assert outcome.done, outcome.status.get("cause")
    found = json.loads(outcome.folder.results.read_text())
    assert found["figures"] == [] and len(found["missing"]) == 5
    assert "mvkit sweep 02_videomae -g seed=0,1,2" in outcome.folder.report.read_text()


@pytest.mark.notebook
@pytest.mark.slow
def test_the_notebook_has_tables_curves_cost_and_differences_over_seeds(tmp_path):
    for seed in range(3):
        make(tmp_path / "reports", f"02_videomae/{seed}", "videomae", seed, motion=0.2 + seed / 50)
        make(tmp_path / "reports", f"03_mvd/{seed}", "mvd", seed, motion=0.3 + seed * 0.03)
    outcome = run(tmp_path, baseline="VideoMAE", measure="kNN motion")
    assert outcome.done, outcome.status.get("cause")
    found = json.loads(outcome.folder.results.read_text())
    assert found["figures"] == ["cost", "curves", "scores"]
    (difference,) = found["differences"]
    assert (difference["second"], difference["n"]) == ("MVD", 3) and difference["mean"] == pytest.approx(0.11)
    assert "p values mean little" in outcome.folder.report.read_text()
    assert r"\toprule" in (outcome.folder.path / "table.tex").read_text()
    assert all(viz.rebuild(path).same_bytes for path in outcome.folder.figures.glob("*.json"))
