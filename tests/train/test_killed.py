"""Every method: killed outright at a random step, called again, it ends with the same bits.

MVKIT_KILLS says how often each is killed; 1 unless set.
"""

import json
import os
import random
import signal
import subprocess
import sys
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import mvkit
from mvkit import checkpoints, methods
from mvkit.train import RunSpec

ROOT = Path(__file__).parents[2]
OPTIONS = {"size": "tiny", "frames": 4, "image": 24, "patch": 8}
TEACHERS = {"image_teacher": "mae", "video_teacher": "videomae", "clip_teacher": "clip_frames"}
WORDS = [f"a red square moves {way}" for way in ("left", "up", "right", "down")]
STEPS = 6
# The process dies as soon as that step is logged, before it is saved.
KILLED = """import os, signal, sys
import mvkit
from tests.train.test_killed import source
def progress(line):
    if line["step"] == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
mvkit.fit(mvkit.RunSpec.read(sys.argv[1]), source, out=sys.argv[2], progress=progress)
"""


def source(first: int):
    step = first
    while True:
        clips = torch.randint(0, 255, (4, 3, 4, 24, 24), generator=torch.Generator().manual_seed(step)).to(torch.uint8)
        yield SimpleNamespace(clips=clips, indices=torch.arange(4), replaced=[], captions=WORDS)
        step += 1


@pytest.fixture
def spec(tmp_path):
    """method name -> a small run of it; whatever teacher it asks for is an untrained run of this kit."""

    def teacher(kind: str) -> str:
        torch.manual_seed(7)
        checkpoints.save(tmp_path / kind, methods.create(kind, **OPTIONS), name=kind, options=OPTIONS)
        return f"run:{tmp_path / kind}"

    def make(name: str) -> RunSpec:
        asked = signature(methods.get(name).build).parameters
        options = {"size": "tiny", "patch": 8} | ({"text_size": "tiny"} if "text_size" in asked else {})
        options |= {"drop_path": 0.1} if "drop_path" in asked else {}
        options |= {role: teacher(kind) for role, kind in TEACHERS.items() if role in asked}
        return RunSpec(
            method=name, options=options, frames=4, image=24, steps=STEPS, batch=4, lr=0.03, log_every=1,
            checkpoint_every=2, device="cpu", precision="fp32", clip_grad=1.0,
        )  # fmt: skip

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", methods.available())
def test_a_killed_run_of_every_method_goes_on_to_the_same_bits(spec, name, tmp_path):
    wanted = spec(name)
    wanted.write(tmp_path / "spec.json")
    whole = mvkit.fit(wanted, source)
    for number in range(int(os.environ.get("MVKIT_KILLS", 1))):
        out, step = tmp_path / f"run_{number}", random.randrange(1, STEPS)
        # The same threads as here, since the order of sums depends on them.
        environ = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", KILLED, str(tmp_path / "spec.json"), str(out), str(step)]
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, cwd=tmp_path)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        logged = [json.loads(line)["step"] for line in (out / "metrics.jsonl").read_text().splitlines()]
        assert logged[-1] == step
        again = mvkit.fit(wanted, source, out=out)
        assert again.journal.column("loss") == whole.journal.column("loss"), f"killed at step {step}"
        for key, value in whole.method.state_dict().items():
            assert torch.equal(value, again.method.state_dict()[key]), f"{key}, killed at step {step}"
