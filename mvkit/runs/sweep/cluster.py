"""Runs as jobs of a cluster: submitit writes and submits them, several at once as one array; Slurm carries them out.

A job's time limit is the run's. Before it is over, and before a preemption, the job is told; it lets the run save its
state and puts itself back into the queue, and the run goes on from there when the job starts again. How a run stands
is read from its folder as everywhere; the queue is asked only whether the job is still in it, with `squeue`, so
accounting is not needed. Jobs outlive the driver: a second call finds them by jobs.jsonl in the sweep's folder.

`submitit-local` takes the same way with submitit's local executor in place of Slurm.
"""

import json
import math
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from mvkit.errors import OptionError, RunError, unknown
from mvkit.runs.folder import RunFolder
from mvkit.runs.status import read_status
from mvkit.runs.sweep.attempt import Attempt, stop
from mvkit.runs.sweep.local import cores, count, last_line, log_file, stopped
from mvkit.runs.sweep.plan import Planned

QUEUES = {"slurm": "slurm", "submitit-local": "local"}
_SHARED = ("mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node")  # the others are Slurm's own
_ARRAY = 500  # runs submitted at once; Slurm takes arrays of up to 1,000 unless it is told otherwise
_QUEUE_SECONDS = 5.0
_SQUEUE = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
_SIGNAL_SECONDS = 90  # before the limit; Slurm may send it up to a minute early


class Cluster:
    """folder: of the sweep. on: "slurm" or "submitit-local". timeout: seconds a job may take each time it starts.

    jobs: how many may run at a time, None for what the cluster gives. retries: how often a job may be put back at its
    time limit. options: of submitit, as partition, gpus_per_node, cpus_per_task, mem_gb, account, qos.
    """

    def __init__(
        self,
        folder: Path,
        on: str,
        *,
        timeout: float | None,
        jobs: int | None = None,
        retries: int = 2,
        options: Mapping[str, Any] | None = None,
        command: list[str] | None = None,
    ) -> None:
        if on not in QUEUES:
            raise OptionError(unknown("place", on, ("local", *QUEUES)))
        self.folder, self.on, self.jobs, self.command = folder, on, jobs, command or []
        self._executor = self._submitit(timeout, retries, options or {})
        self._jobs: dict[str, Any] = {}  # run -> submitit's job, or the id of one that an earlier call submitted
        self._missed: set[str] = set()
        self._looked = 0.0
        if on == "slurm":
            if (waiting := queued()) is None:
                raise RunError("--on slurm: squeue does not answer, so jobs might be submitted twice; try again later")
            self._jobs = {one["run"]: one["job"] for one in _lines(self._record) if one["job"] in waiting}

    @property
    def room(self) -> int:
        """Slurm itself holds back what is over `jobs`."""
        return _ARRAY if self.on == "slurm" else (self.jobs or cores()) - len(self._jobs)

    def going(self) -> set[str]:
        return set(self._jobs)

    def start(self, runs: Iterable[Planned]) -> None:
        """Submit, as one array where there are several. Raises RunError with the queue's own words."""
        runs = list(runs)
        attempts = [Attempt.at(run, log_file(self.folder / "logs", run.name), None, self.command) for run in runs]
        try:
            with self._executor.batch():
                jobs = [self._executor.submit(Submitted(attempt)) for attempt in attempts]
        except Exception as err:  # submitit has no one class for what sbatch refuses
            raise RunError(f"--on {self.on} refused {len(runs)} runs: {_one_line(err)}") from err
        self._jobs |= {run.name: job for run, job in zip(runs, jobs, strict=True)}
        with self._record.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"run": run.name, "job": self._id(run.name)}) + "\n" for run in runs)
        self._looked = time.monotonic()

    def ended(self) -> dict[str, int | None]:
        if self.on != "slurm":
            over = [name for name, job in self._jobs.items() if job.done()]
        elif time.monotonic() - self._looked < _QUEUE_SECONDS or (listed := queued()) is None:
            return {}
        else:
            self._looked = time.monotonic()
            missing = {name for name in self._jobs if self._id(name) not in listed}
            # A job that is being put back can be out of the list for a moment: believe it the second time.
            over = [name for name in missing if name in self._missed or self._done(name)]
            self._missed = missing - set(over)
        for name in over:
            del self._jobs[name]
        return dict.fromkeys(over)

    def stop(self, *, now: bool) -> str:
        if self.on == "slurm":
            left = sorted({self._id(name).partition("_")[0] for name in self._jobs})
            how = f"call again to follow them, or scancel {' '.join(left)}"
            return f"in the queue stay {count(len(self._jobs))}: {how}" if left else ""
        for job in self._jobs.values():
            job.cancel()
        while not now and any(not job.done() for job in self._jobs.values()):
            time.sleep(0.1)
        return stopped(len(self._jobs))

    def last_words(self, name: str) -> str:
        return last_line(log_file(self.folder / "logs", name)) or f"see {self.folder / 'jobs'}"

    @property
    def _record(self) -> Path:
        return self.folder / "jobs.jsonl"

    def _id(self, name: str) -> str:
        job = self._jobs[name]
        return job if isinstance(job, str) else job.job_id

    def _done(self, name: str) -> bool:
        return read_status(RunFolder(self.folder.parents[1] / name))["state"] == "done"

    def _submitit(self, timeout: float | None, retries: int, options: Mapping[str, Any]) -> Any:
        return open_executor(
            self.folder / "jobs", self.on, timeout=timeout, retries=retries, jobs=self.jobs, options=options
        )


def open_executor(
    folder: Path,
    on: str,
    *,
    timeout: float | None,
    retries: int = 2,
    jobs: int | None = None,
    options: Mapping[str, Any],
) -> Any:
    """Submitit's executor, its files in `folder`; the rest as of `Cluster`. Raises OptionError, RunError."""
    if timeout is None:
        raise OptionError(f"--on {on} wants --timeout: seconds a job may run before it is put back into the queue")
    try:
        import submitit
    except ImportError:
        raise RunError(f"--on {on} needs submitit: pip install 'mvkit[slurm]'") from None
    folder.mkdir(parents=True, exist_ok=True)
    given = {name if name in _SHARED else f"slurm_{name}": value for name, value in options.items()}
    if on == "slurm":
        early = min(_SIGNAL_SECONDS, int(timeout // 2))
        given = {"slurm_signal_delay_s": early, "slurm_additional_parameters": {"requeue": True}, **given}
        given |= {"slurm_array_parallelism": jobs} if jobs else {}
    try:
        executor = submitit.AutoExecutor(
            folder, cluster=QUEUES[on], slurm_max_num_timeout=retries, local_max_num_timeout=retries
        )
        executor.update_parameters(name="mvkit", timeout_min=math.ceil(timeout / 60), **given)
    except (RuntimeError, ValueError, NameError, AssertionError) as err:
        refused = RunError if isinstance(err, RuntimeError) else OptionError
        raise refused(f"--on {on}: {_one_line(err)}") from None
    return executor


class Startable(Protocol):
    """What a job carries out: `Attempt`, or the order of a training."""

    def start(self, threads: int) -> "subprocess.Popen[bytes]": ...


class Submitted:
    """What submitit pickles and calls in the job: the same process that is started on one machine, watched."""

    def __init__(self, attempt: Startable) -> None:
        self.attempt = attempt
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        self._process = self.attempt.start(cores())
        try:
            # Not wait(): the signal that asks for a checkpoint comes in the middle of it, and wait holds a lock.
            while self._process.poll() is None:
                time.sleep(0.1)
        except KeyboardInterrupt:
            stop([self._process])
        return self._process.returncode

    def checkpoint(self) -> Any:
        """Called by submitit when the job's time is nearly over or it is preempted: save, then queue again."""
        from submitit.core.utils import DelayedSubmission

        if self._process is not None:
            stop([self._process])
        return DelayedSubmission(Submitted(self.attempt))


def queued() -> set[str] | None:
    """Ids of this user's jobs that wait or run, array tasks one by one; None where the queue does not answer."""
    try:
        done = subprocess.run(_SQUEUE, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return set(done.stdout.split())


def _lines(record: Path) -> list[dict[str, str]]:
    """Jobs as they were submitted; the last line may have been cut off by a kill."""
    found = []
    for line in record.read_text(encoding="utf-8").splitlines() if record.exists() else ():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def _one_line(err: Exception) -> str:
    return " ".join(str(err).split())[:400]
