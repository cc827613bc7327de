"""A training killed outright at some step: the same command goes on and ends as one that nobody disturbed."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from mvkit.cli import call
from mvkit.runs.notebook import code_hash

SPEC = {
    "options": {"size": "tiny", "patch": 8, "ratio": 0.5},
    "data": {"clips": 20, "val": 8, "frames": 6},
    "frames": 4, "image": 16, "batch": 4, "cache": True, "precision": "fp32", "device": "cpu",
    "steps": 20, "log_every": 1, "checkpoint_every": 3,
}  # fmt: skip
# Where KILL_AT is set, the process dies when that step is logged, and the runner above a kernel a moment before it.
KILL = """import os, signal
from mvkit.train.journal import Journal
written = Journal.write
def write(self, step, **values):
    written(self, step, **values)
    if step == int(os.environ.get("KILL_AT", -1)):
        {0}os.kill(os.getpid(), signal.SIGKILL)
    return self.lines[-1]
Journal.write = write
"""
CELL = f"""{KILL.format("os.kill(os.getppid(), signal.SIGKILL); ")}
import mvkit
run = mvkit.runs.begin(parameters=globals(), notebook="small")
mvkit.fit(mvkit.RunSpec(**{SPEC!r}), out=run.folder)
run.finish()"""


@pytest.fixture(params=["train spec.json --out runs", "run small --out runs"])
def command(request, tmp_path, monkeypatch) -> list[str]:
    """A command that trains in the working folder and keeps its journal below runs/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # so small a model only waits for its threads
    Path("spec.json").write_text(json.dumps(SPEC))
    Path("notebooks").mkdir()
    parameters = new_code_cell("seed: int = 0", metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[parameters, new_code_cell(CELL)]), "notebooks/small.ipynb")
    return request.param.split()


def journal() -> list[dict[str, Any]]:
    """What has been logged, without speeds, which differ from try to try."""
    (path,) = Path("runs").rglob("metrics.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "clips_per_s"} for line in lines]


def start_and_kill(command: list[str], step: int, monkeypatch) -> None:
    """Run in a process of its own that is killed as soon as this step is logged."""
    # The hash this process has read: someone may be editing the sources while the tests run.
    fixed = f"import mvkit.runs.folder\nmvkit.runs.folder.code_hash = lambda: {code_hash()!r}\n"
    code = f"{fixed}{KILL.format('')}\nfrom mvkit.cli import call\ncall({command!r})"
    with monkeypatch.context() as patch:
        patch.setenv("KILL_AT", str(step))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_with_the_same_losses(command, monkeypatch):
    assert call(command) == 0
    undisturbed = journal()
    Path("runs").rename("undisturbed")
    step = random.randrange(4, 19)
    start_and_kill(command, step, monkeypatch)
    assert journal()[-1]["step"] == step
    saved = [int(path.name[-6:]) for path in Path("runs").rglob("step_*")]
    assert max(saved) == (step - 1) // 3 * 3  # a step is logged before it is saved
    assert call(command) == 0
    assert journal() == undisturbed
