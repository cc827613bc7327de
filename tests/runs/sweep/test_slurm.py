"""Sweeps on a real Slurm of one node: arrays, what waits for what, a driver that goes away, requeue on preemption.

Skipped with the reason where Slurm cannot be started; see tests/slurm/one_node.py.
"""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest

from mvkit.cli import call
from tests.runs.sweep.test_local import SECONDS, began, driver, until
from tests.slurm.one_node import OneNode, why_not

pytestmark = [pytest.mark.notebook, pytest.mark.slow]
ON = ["--on", "slurm", "--timeout", "600", "--json"]


@pytest.fixture(scope="module")
def node() -> Iterator[OneNode]:
    pytest.importorskip("submitit")
    if reason := why_not():
        pytest.skip(reason)
    try:
        running = OneNode(cpus=2).__enter__()
    except (OSError, RuntimeError) as err:
        pytest.skip(f"no Slurm here: {err}")
    yield running
    running.__exit__()


@pytest.fixture(autouse=True)
def clients(node, monkeypatch) -> None:
    for name, value in node.env.items():
        monkeypatch.setenv(name, value)


def jobs(folder) -> list[dict[str, str]]:
    (record,) = folder.glob("reports/sweeps/*/jobs.jsonl")
    return [json.loads(line) for line in record.read_text().splitlines()]


def test_slurm_carries_out_an_array_then_what_waits_for_it_and_tries_a_killed_kernel_again(work, capsys):
    (work / "both.yaml").write_text("""
runs:
  - {notebook: work, list: [{seed: 1, do: kill once}, {seed: 2, do: fail}]}
  - {notebook: work, list: [{seed: 3, teacher: "run:{notebook: work, seed: 1}"}]}
""")
    assert call(["sweep", "both.yaml", *ON]) == 1
    runs = {run["seed"]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    assert {seed: run["state"] for seed, run in runs.items()} == {1: "done", 2: "failed", 3: "done"}
    assert runs[2]["cause"] == "RuntimeError: as asked"
    assert Counter(began(work)) == {"1": 2, "2": 1, "3": 1}
    first, second, again, last = (job["job"] for job in jobs(work))
    assert (first.partition("_")[0], first[-2:], second[-2:]) == (second.partition("_")[0], "_0", "_1")
    assert "_" not in again + last


def test_a_preempted_job_saves_is_put_back_and_goes_on_while_no_driver_watches(work, capsys):
    arguments = ["work", "-p", "do=wait", "-p", "seed=1"]
    first = driver(work, *arguments, *ON[:-1])
    until(lambda: began(work))
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=SECONDS)
    assert first.returncode == 130
    assert "in the queue stay 1 run: call again to follow them, or scancel" in err
    assert json.loads(out)["counts"] == {"running": 1}
    (job,) = jobs(work)
    # What Slurm sends before the time limit and before a preemption.
    subprocess.run(["scancel", "--signal=USR2", job["job"]], check=True)
    until(lambda: began(work) == ["1", "1"])
    (work / "go").touch()
    assert call(["sweep", *arguments, "--metric", "resumed", *ON]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert (run["state"], run["result.resumed"]) == ("done", True)
    assert len(jobs(work)) == 1  # nothing was submitted twice
