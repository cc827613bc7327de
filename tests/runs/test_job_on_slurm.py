"""A training on a real Slurm of one node: queued, told that its time is over, put back, and stopped for good.

Skipped with the reason where Slurm cannot be started; see tests/slurm/one_node.py.
"""

import json
import subprocess

import pytest

import mvkit
from mvkit.train.interrupt import Requeue
from tests.runs.sweep.test_slurm import clients, node  # noqa: F401  fixtures
from tests.runs.test_job import here, logged, spec, until  # noqa: F401

pytestmark = pytest.mark.slow


def test_slurm_puts_a_training_back_that_was_told_its_time_is_over_and_stop_ends_it(tmp_path):
    on = {"on": "slurm", "timeout": 600, "options": {"cpus_per_task": 1}}
    job = mvkit.launch(spec(steps=100_000), out=tmp_path / "run", **on)
    assert job.state in ("queued", "running")
    until(lambda: logged(job.folder) >= 2)
    first = job.status["pid"]
    number = json.loads((job.folder / "job" / "slurm.json").read_text())["job"]
    # What Slurm sends before the time limit and before a preemption.
    subprocess.run(["scancel", "--signal=USR2", number], check=True)
    until(lambda: job.state == "queued")
    saved = logged(job.folder)
    assert mvkit.launch(spec(steps=100_000), out=tmp_path / "run", **on).state in ("queued", "running")
    until(lambda: job.state == "running" and job.status["pid"] != first and logged(job.folder) > saved)
    job.stop()
    with pytest.raises(Requeue, match="stopped, step_"):
        job.wait()
