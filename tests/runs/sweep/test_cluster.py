"""The way to a cluster, with submitit's local executor in place of Slurm."""

import json
import sys
from collections import Counter

import pytest

from mvkit.cli import call
from mvkit.runs.sweep import cluster
from tests.runs.sweep.test_local import began


@pytest.mark.notebook
def test_submitit_local_carries_out_a_sweep_with_the_same_states_and_retries(work, capsys):
    pytest.importorskip("submitit")
    (work / "both.yaml").write_text("""
runs:
  - {notebook: work, list: [{seed: 1, do: kill once}, {seed: 2, do: fail}]}
  - {notebook: work, list: [{seed: 3, teacher: "run:{notebook: work, seed: 1}"}]}
""")
    assert call(["sweep", "both.yaml", "--on", "submitit-local", "--timeout", "600", "-j", "2", "--json"]) == 1
    runs = {run["seed"]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    assert {seed: run["state"] for seed, run in runs.items()} == {1: "done", 2: "failed", 3: "done"}
    assert runs[2]["cause"] == "RuntimeError: as asked"
    assert Counter(began(work)) == {"1": 2, "2": 1, "3": 1}


def test_without_submitit_the_extra_is_named(project, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert call(["sweep", "teach", "--on", "slurm", "--timeout", "60"]) == 2
    assert "needs submitit: pip install 'mvkit[slurm]'" in capsys.readouterr().err


def test_without_slurm_the_missing_program_is_named(project, capsys, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(project))
    assert call(["sweep", "teach", "--on", "slurm", "--timeout", "60"]) == 2
    assert "srun" in capsys.readouterr().err


def test_a_queue_that_does_not_answer_is_not_taken_for_an_empty_one(project, capsys, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(cluster.Cluster, "_submitit", lambda *_: None)
    monkeypatch.setattr(cluster, "_SQUEUE", ["false"])
    assert call(["sweep", "teach", "--on", "slurm", "--timeout", "60"]) == 2
    assert "squeue does not answer" in capsys.readouterr().err


def test_a_line_of_jobs_that_was_cut_off_is_passed_over(tmp_path):
    (tmp_path / "jobs.jsonl").write_text('{"run": "a/1", "job": "7_0"}\n{"run": "a/2", "jo')
    assert cluster._lines(tmp_path / "jobs.jsonl") == [{"run": "a/1", "job": "7_0"}]
