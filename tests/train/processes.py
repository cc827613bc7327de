"""Runs in several processes on this machine, for the tests of this folder."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

SPEC: dict[str, Any] = {
    "options": {"size": "tiny", "patch": 8, "ratio": 0.5}, "data": {"clips": 20, "val": 8, "frames": 6},
    "frames": 4, "image": 16, "batch": 4, "cache": True, "precision": "fp32", "device": "cpu", "clip_grad": 1.0,
    "lr": 0.03, "steps": 8, "log_every": 1, "checkpoint_every": 3, "timeout": 60,
}  # fmt: skip
# Where KILL_AT is set, the process KILL_RANK dies, or gets that signal, as that step begins.
KILL = """import os, signal
from mvkit.train.step import Step
moved = Step.__call__
def call(self, batch, step):
    if step == int(os.environ.get("KILL_AT", -1)) and str(self.team.rank) in os.environ.get("KILL_RANK", ""):
        os.kill(os.getpid(), getattr(signal, os.environ.get("KILL_WITH", "SIGKILL")))
    return moved(self, batch, step)
Step.__call__ = call
from mvkit.train.worker import main
main()
"""


def fit_in_processes(folder: Path, processes: int, out: str = "run", /, **said: Any) -> list[tuple[int, str]]:
    """Train in folder/out; exit code and words of each process, in the order of ranks.

    said: fields of the spec that differ from SPEC, and in capitals variables of the environment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spec = SPEC | {name: value for name, value in said.items() if name.islower()}
    (folder / "spec.json").write_text(json.dumps(spec))
    environ = {name: str(value) for name, value in said.items() if name.isupper()}
    ended = in_processes(KILL, ["spec.json", "--out", out], folder, processes, **environ)
    return [(code, words) for code, _, words in ended]


def in_processes(
    program: str, arguments: list[str], folder: Path, processes: int, **environ: str
) -> list[tuple[int, str, str]]:
    """Run a program that meets the others by torch.distributed; exit code, stdout and stderr of each, by rank.

    Started one by one and not by torch.distributed.run, whose exit code is 1 whatever its children say.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "OMP_NUM_THREADS": "1"}
    places |= {"WORLD_SIZE": str(processes), "PYTHONPATH": str(Path(__file__).parents[2])}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=folder,
            env={**os.environ, **environ, **places, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    try:
        said = [child.communicate(timeout=240) for child in children]
    finally:
        for child in children:
            child.kill()
    return [(child.returncode, *words) for child, words in zip(children, said, strict=True)]


def losses(folder: Path, out: str = "run") -> list[float]:
    """Of the journal in folder/out; the steps must follow each other."""
    lines = [json.loads(line) for line in (folder / out / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "loss" in line]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    return [line["loss"] for line in lines]
