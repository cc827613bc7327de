"""Every method: killed outright at a random step, called again, it ends with the same bits.

MVKIT_KILLS says how often each is killed; 1 unless set.
"""

import json
import multiprocessing
import os
import random
import signal
from pathlib import Path

import pytest
import torch

import mvkit
from mvkit import methods
from mvkit.train import RunSpec
from tests.train.every import STEPS, small_spec, source


def train_and_die(spec: RunSpec, out: Path, step: int, threads: int) -> None:
    """Train until that step is logged, before it is saved."""
    # As in the test's own process, since the order of sums depends on them.
    torch.set_num_threads(threads)

    def die(line: dict) -> None:
        if line["step"] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    mvkit.fit(spec, source, out=out, progress=die)


@pytest.fixture(scope="module")
def started():
    """Start a call in a process of its own, forked from one that has imported everything and run nothing."""
    context = multiprocessing.get_context("forkserver")
    # Text models import transformers when they are made, and that takes seconds.
    context.set_forkserver_preload(["tests.train.test_killed", "transformers.models.bert.modeling_bert"])
    return context.Process


@pytest.mark.slow
@pytest.mark.parametrize("name", methods.available())
def test_a_killed_run_of_every_method_goes_on_to_the_same_bits(started, name, tmp_path):
    wanted = small_spec(name, tmp_path, options={"drop_path": 0.1})
    whole = mvkit.fit(wanted, source)
    for number in range(int(os.environ.get("MVKIT_KILLS", 1))):
        out, step = tmp_path / f"run_{number}", random.randrange(1, STEPS)
        process = started(target=train_and_die, args=(wanted, out, step, torch.get_num_threads()))
        process.start()
        process.join(240)
        assert process.exitcode == -signal.SIGKILL
        logged = [json.loads(line)["step"] for line in (out / "metrics.jsonl").read_text().splitlines()]
        assert logged[-1] == step
        again = mvkit.fit(wanted, source, out=out)
        assert again.journal.column("loss") == whole.journal.column("loss"), f"killed at step {step}"
        for key, value in whole.method.state_dict().items():
            assert torch.equal(value, again.method.state_dict()[key]), f"{key}, killed at step {step}"
