"""Sweeps in real processes with real kernels: errors, kills of the kernel and of the driver, two drivers, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from mvkit.cli import call
from mvkit.runs.sweep.local import cores

COMMAND = [sys.executable, "-c", "from mvkit.cli import main; main()", "sweep"]
SECONDS = 240.0  # on a busy machine a kernel takes ten to start


def driver(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMMAND, *arguments, "--json"], cwd=folder, env=env, start_new_session=True, **pipes)


def until(ready) -> None:
    deadline = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def began(folder: Path) -> list[str]:
    return (folder / "began").read_text().split() if (folder / "began").exists() else []


def states(said: str) -> dict[int, str]:
    return {run["seed"]: run["state"] for run in json.loads(said)["runs"]}


@pytest.mark.notebook
def test_one_failure_and_one_killed_kernel_end_in_the_right_table_and_a_second_call_runs_nothing(work, capsys):
    (work / "mixed.yaml").write_text("""
name: mixed
runs:
  - notebook: work
    list: [{seed: 4, teacher: "run:{notebook: work, seed: 1}"}, {seed: 5, teacher: "run:{notebook: work, seed: 3}"}]
  - {notebook: work, list: [{seed: 1}, {seed: 2, do: kill once}, {seed: 3, do: fail}]}
""")
    assert call(["sweep", "mixed.yaml", "-j", "2", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    runs = {run["seed"]: run for run in record["runs"]}
    assert {seed: run["state"] for seed, run in runs.items()} == {
        1: "done",
        2: "done",
        3: "failed",
        4: "done",
        5: "skipped",
    }
    assert Counter(began(work)) == {"1": 1, "2": 2, "3": 1, "4": 1}
    assert (runs[2]["result.loss"], runs[4]["result.loss"]) == (2.5, 4.5)
    assert runs[3]["cause"] == "RuntimeError: as asked"
    assert runs[5]["cause"] == f"needs {runs[3]['run']}, failed: RuntimeError: as asked"
    assert runs[1]["result.threads"] == max(1, cores() // 2)
    left = Path(record["folder"])
    assert {path.name for path in left.iterdir()} == {"sweep.json", "table.csv", "logs"}
    assert len(list((left / "logs").iterdir())) == 4
    resumed = json.loads(Path(left.parents[1] / runs[2]["run"] / "results.json").read_text())
    assert resumed["resumed"]  # it went on from what it had saved
    assert call(["sweep", "mixed.yaml", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["counts"] == {"done": 3, "failed": 1, "skipped": 1}
    assert len(began(work)) == 5


@pytest.mark.notebook
def test_a_driver_killed_by_sigkill_loses_nothing_and_two_more_at_once_do_not_collide(work):
    arguments = ["work", "-g", "seed=1,2,3", "-p", "do=wait", "-j", "2"]
    first = driver(work, *arguments)
    until(lambda: len(began(work)) == 2)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    others = [driver(work, *arguments), driver(work, *arguments)]
    try:
        until(lambda: len(began(work)) == 3)  # the third run, while the orphans of the first driver go on
        (work / "go").touch()
        ends = [other.communicate(timeout=SECONDS) for other in others]
    finally:
        (work / "go").touch()  # nobody waits for ever, whatever failed
    for other, (out, err) in zip(others, ends, strict=True):
        assert other.returncode == 0, err
        assert states(out) == {1: "done", 2: "done", 3: "done"}
    assert sorted(began(work)) == ["1", "2", "3"]


@pytest.mark.notebook
def test_ctrl_c_stops_the_runs_in_order_and_the_next_call_goes_on(work, capsys):
    arguments = ["work", "-g", "seed=1,2", "-p", "do=wait"]
    stopped = driver(work, *arguments)
    until(lambda: began(work))
    stopped.send_signal(signal.SIGINT)
    out, err = stopped.communicate(timeout=SECONDS)
    assert stopped.returncode == 130
    assert "interrupted: stopped 1 run, saved" in err
    assert states(out) == {1: "interrupted", 2: "to run"}
    (work / "go").touch()
    assert call(["sweep", *arguments, "-j", "2", "--json", "--metric", "resumed"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [(run["state"], run["result.resumed"]) for run in runs] == [("done", True), ("done", False)]


def test_a_run_of_other_code_is_not_run_under_the_planned_name(work, capsys, monkeypatch):
    monkeypatch.setattr("mvkit.runs.folder.code_hash", lambda: "code of another day")
    assert call(["sweep", "work", "-p", "seed=1", "--json"]) == 1
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["state"] == "failed"
    assert "the notebook or mvkit has changed since the plan" in run["cause"]
    assert not began(work)
