"""What a sweep leaves of itself: sweep.json, the table in a terminal, as JSON and as CSV; the command's plan."""

import csv
import json

import pytest

from mvkit.cli import call
from mvkit.runs.status import Status
from mvkit.runs.sweep.flags import read_flags
from mvkit.runs.sweep.plan import Plan
from mvkit.runs.sweep.record import lines, rows, write_plan, write_table
from mvkit.runs.sweep.standing import standings


@pytest.fixture
def plan(project) -> Plan:
    """Three runs: done, failed, not begun."""
    plan = Plan.make([read_flags(project / "notebooks" / "teach.ipynb", grid=["ratio=0.5,0.75,0.9"])], name="three")
    done, failed, _ = plan.runs.values()
    for run, state, more in ((done, "done", {}), (failed, "failed", {"kind": "exception", "cause": "E: a, b"})):
        run.folder.prepare({})
        Status(run.folder, notebook="x", runner="mvkit run").end(state, **more)
    scores = {"loss": 0.123456, "flag": True, "word": "x", "scores": [{"knn": 0.5}]}
    done.folder.results.write_text(json.dumps(scores))
    return plan


def test_the_table_has_a_row_a_run_with_state_cause_axes_and_results(plan):
    done, failed, missing = rows(plan, standings(plan))
    assert (done["state"], done["ratio"], done["result.loss"]) == ("done", 0.5, 0.123456)
    assert (failed["state"], failed["cause"], failed["result.loss"]) == ("failed", "E: a, b", None)
    assert (missing["state"], missing["seconds"]) == ("to run", None)
    assert "seed" not in done
    assert "result.flag" not in done
    (chosen, *_) = rows(plan, standings(plan), ["scores.0.knn", "scores.1.knn", "word"])
    assert [chosen[f"result.{name}"] for name in ("scores.0.knn", "scores.1.knn", "word")] == [0.5, None, "x"]


def test_terminal_and_csv_show_the_same_table(plan):
    table = rows(plan, standings(plan))
    head, done, failed, _ = lines(table)
    assert head.split() == ["run", "state", "seconds", "ratio", "loss"]
    assert done.split()[1:] == ["done", "0", "s", "0.5", "0.1235"]
    assert failed.endswith("E: a, b")
    write_table(plan, table)
    with (plan.folder / "table.csv").open() as file:
        read = list(csv.DictReader(file))
    assert [row["run"] for row in read] == list(plan.runs)
    assert (read[0]["result.loss"], read[1]["cause"], read[2]["result.loss"]) == ("0.123456", "E: a, b", "")


def test_results_that_are_no_json_leave_the_other_rows(plan):
    first = next(iter(plan.runs.values()))
    first.folder.results.write_text("{")
    assert [row["state"] for row in rows(plan, standings(plan))] == ["done", "failed", "to run"]


def test_sweep_json_says_what_was_asked_and_which_runs_that_is(plan):
    write_plan(plan, ["mvkit", "sweep"])
    record = json.loads((plan.folder / "sweep.json").read_text())
    assert plan.folder == plan.reports / "sweeps" / "three"
    assert record["axes"] == ["ratio"]
    assert record["entries"] == [{"notebook": "teach", "grid": {"ratio": [0.5, 0.75, 0.9]}}]
    assert [run["run"] for run in record["runs"]] == list(plan.runs)
    assert record["runs"][1]["parameters"]["ratio"] == 0.75


SAME = ["sweep", "teach", "-g", "ratio=0.5,0.75,0.9", "--name", "three"]


def test_plan_and_table_of_the_command_start_and_write_nothing(plan, capsys):
    before = sorted(plan.reports.rglob("*"))
    assert call([*SAME, "--plan"]) == 0
    said = capsys.readouterr().out
    assert "1 done, 1 failed, 1 to run" in said
    assert "teach: 1 x 0 s (median of 1 done runs)" in said
    assert call([*SAME, "--plan", "--retry-failed", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["counts"] == {"done": 1, "open": 2}
    assert [run["parameters"]["ratio"] for run in record["runs"]] == [0.5, 0.75, 0.9]
    assert call([*SAME, "--table", "--json", "--metric", "word"]) == 0
    assert [run["result.word"] for run in json.loads(capsys.readouterr().out)["runs"]] == ["x", None, None]
    assert sorted(plan.reports.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep", "teach", "-g", "ratoi=1"], "did you mean 'ratio'"),
        (["sweep", "missing.yaml"], "missing.yaml cannot be read"),
        (["sweep", "missing.yaml", "-g", "seed=1"], "axes and parameters are in the file"),
        (["sweep", "teach", "--on", "moon"], "unknown place 'moon'"),
        (["sweep", "teach", "--on", "slurm"], "--on slurm wants --timeout"),
        (["sweep", "teach", "--slurm", "partition=a"], "--slurm belongs to --on slurm"),
        (["sweep", "teach", "--on", "submitit-local", "--timeout", "60", "--slurm", "partitoin=a"], "partitoin"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line_with_exit_code_2(project, capsys, arguments, said):
    assert call(arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
