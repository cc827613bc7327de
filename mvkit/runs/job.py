"""A training that outlives the notebook that started it: `launch` starts one, `attach` finds it again.

    job = mvkit.launch(spec, processes=2, out="reports/first").watch()

The processes are a session of their own (`mvkit.runs.agent`): a kernel that is restarted or killed leaves them alone,
and the same call in the new kernel finds the job by its folder. Nothing is forked, so a CUDA context of the notebook
does not matter.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvkit.errors import OptionError, RunError, unknown
from mvkit.runs import agent
from mvkit.runs.files import read_json, write_json_atomic
from mvkit.runs.folder import AlreadyRunning
from mvkit.runs.status import LIVE, read_status
from mvkit.runs.sweep.local import cores, last_line
from mvkit.train import RunSpec
from mvkit.train.interrupt import Requeue

START = 120.0  # seconds that the process of a job may take to say that it is there; a quiet machine needs one
ON = ("local", "slurm")
SCORES, PICTURES = "mvkit.runs.looks:scores", "mvkit.runs.looks:pictures"
LOOK = {"running": 0.3, "queued": 5.0}  # seconds between looks at a job; the queue is asked about one that waits


class Job:
    """folder: of the run, as `fit(out=folder)` makes it; `folder`/job holds the job's status, spec and log."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        self.folder, self._process = folder, process

    @property
    def spec(self) -> RunSpec:
        return RunSpec.read(agent.of(self.folder).path / "spec.json")

    @property
    def log(self) -> Path:
        """What its processes say."""
        return agent.of(self.folder).path / "log"

    @property
    def status(self) -> dict[str, Any]:
        """As of every run, see `mvkit.runs.status`: state, pid, processes, memory_mb, cause."""
        if self._process is not None:
            self._process.poll()  # else one that ended stays in the table of processes
        found = read_status(agent.of(self.folder))
        if found["state"] in ("missing", "interrupted", "killed") and (waits := _in_queue(self.folder)):
            return {**found, "state": "queued", "cause": f"job {waits} of Slurm"}
        if found["state"] == "missing":
            return {**found, "state": "failed", "cause": last_line(self.log) or "its process never came up"}
        return found

    @property
    def state(self) -> str:
        """queued, running, done, failed, interrupted or killed."""
        return self.status["state"]

    def watch(self) -> Job:
        """Show it until it ends: a picture that follows in JupyterLab, elsewhere lines. As `wait` otherwise.

        Interrupting the cell lets the job go on; under `mvkit run`, which then ends altogether, it stops the job too.
        """
        from mvkit.runs.watching import Watching

        watching, said = Watching(self), ""
        try:
            while (state := self.state) in LIVE:
                time.sleep(max(watching.show(), LOOK[state]))
        except KeyboardInterrupt:
            if "MVKIT_RUN_FOLDER" in os.environ:
                self.stop(wait=False)
            said = "Not watched any more, and goes on: the same call watches again, job.stop() ends it."
            raise
        finally:
            watching.end(said)
        return self.wait()

    def wait(self) -> Job:
        """Until it ends. Raises Requeue (a KeyboardInterrupt) where it was stopped and saved, RunError with the cause
        where it failed or was killed."""
        self._until_it_ends()
        status = self.status
        cause = status.get("cause", "")
        if status["state"] == "interrupted":
            raise Requeue(f"{cause}; the same call goes on from there")
        if status["state"] != "done":
            again = "the same call goes on from the last checkpoint"
            raise RunError(f"job in {self.folder} {status['state']}: {cause}; {again}; its log: {self.log}")
        return self

    def stop(self, *, wait: bool = True) -> Job:
        """Ask it to finish the step in hand, save and end; wait until it has."""
        waits = _in_queue(self.folder)
        if self.state == "queued" and waits:
            subprocess.run(["scancel", waits], check=False)
        elif self.state in LIVE:
            (agent.of(self.folder).path / "stop").touch()
        if wait:
            self._until_it_ends()
        return self

    def _until_it_ends(self) -> None:
        while (state := self.state) in LIVE:
            time.sleep(LOOK[state])

    def __repr__(self) -> str:
        status = self.status
        cause = f" ({status['cause']})" if status.get("cause") else ""
        return f"<Job of {self.spec.method} in {self.folder}: {status['state']}{cause}>"


def launch(
    spec: RunSpec | str | Path,
    *,
    out: str | Path,
    processes: int = 1,
    monitor: str = SCORES,
    look: str = PICTURES,
    on: str = "local",
    timeout: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> Job:
    """Train in processes of their own; called again it finds the job that runs, goes on with one that stopped, and
    gives back one that is done.

    spec: or its JSON file. out: folder of the run. processes: on this machine, or on one node; a GPU each where there
    are GPUs. monitor, look: "module:function", called as in `mvkit.runs.looks`, where spec.monitor_every is above 0.
    on: "local", or "slurm" with timeout, seconds a job may take before it is put back into the queue, and options of
    submitit, as gpus_per_node=8.
    Raises OptionError, RunError where the folder holds another run.
    """
    if processes < 1:
        raise OptionError(f"processes must be 1 or more, got {processes}")
    if on not in ON:
        raise OptionError(unknown("place", on, ON))
    if on == "local" and (options or timeout):
        raise OptionError("timeout and options belong to on='slurm'; a spec has time_limit")
    spec = spec if isinstance(spec, RunSpec) else RunSpec.read(spec)
    folder = Path(out).resolve()
    own = agent.of(folder).path
    if (own / "spec.json").exists():
        job = attach(folder)
        if names := job.spec.differences(spec):
            raise RunError(f"{folder} holds a job with other settings ({', '.join(names)}): choose another folder")
        if job.state in LIVE and (own / "stop").exists():
            job.stop()
        if job.state in (*LIVE, "done"):
            return job
    own.mkdir(parents=True, exist_ok=True)
    spec.write(own / "spec.json")
    watched = bool(spec.monitor_every)
    order = Order(str(folder), processes, monitor if watched else "", look if watched else "")
    return _submit(order, timeout, dict(options or {})) if on == "slurm" else _start(order)


def attach(out: str | Path) -> Job:
    """The job of a run's folder, whoever started it. Raises RunError where there is none."""
    job = Job(Path(out).resolve())
    if not (agent.of(job.folder).path / "spec.json").exists():
        raise RunError(f"no job in {job.folder}: mvkit.launch(spec, out=...) starts one")
    return job


@dataclass(frozen=True)
class Order:
    """What the process of a job is told; every field is JSON."""

    folder: str
    processes: int
    monitor: str
    look: str

    def start(self, threads: int) -> subprocess.Popen[bytes]:
        """Start it in a session of its own. threads: to be shared by its processes, unless OMP_NUM_THREADS says."""
        own = agent.of(Path(self.folder)).path
        env = {"OMP_NUM_THREADS": str(max(1, threads // self.processes)), **os.environ}
        env |= {"MVKIT_RUN_FOLDER": str(own), "MPLBACKEND": "agg"}  # a notebook's own are not for it
        command = [sys.executable, "-m", "mvkit.runs.agent", self.folder, f"--processes={self.processes}"]
        with (own / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, f"--monitor={self.monitor}", f"--look={self.look}"],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def _start(order: Order) -> Job:
    """Start, and wait until the status is that of this process."""
    process = order.start(cores())
    job = Job(Path(order.folder), process)
    end = time.monotonic() + START
    while read_json(agent.of(job.folder).status).get("pid") != process.pid:
        if process.poll() == AlreadyRunning.exit_code:
            return job  # somebody else was faster
        if process.poll() is not None or time.monotonic() > end:
            raise RunError(f"the job did not start: {last_line(job.log) or 'no word from it'}; see {job.log}")
        time.sleep(0.05)
    return job


def _submit(order: Order, timeout: float | None, options: dict[str, Any]) -> Job:
    from mvkit.runs.sweep.cluster import Submitted, open_executor

    own = agent.of(Path(order.folder)).path
    agent.of(Path(order.folder)).status.unlink(missing_ok=True)  # what an earlier try said is over
    options = {"cpus_per_task": order.processes, **options}
    submitted = open_executor(own / "slurm", "slurm", timeout=timeout, options=options).submit(Submitted(order))
    write_json_atomic(own / "slurm.json", {"job": submitted.job_id})
    return Job(Path(order.folder))


def _in_queue(folder: Path) -> str:
    """The number of the job that Slurm still has for this folder, waiting or running; else ""."""
    number = read_json(agent.of(folder).path / "slurm.json").get("job", "")
    if not number:
        return ""
    from mvkit.runs.sweep.cluster import queued

    return number if number in (queued() or ()) else ""
