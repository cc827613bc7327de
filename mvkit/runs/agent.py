"""The process that a job is: it starts the processes that train, keeps the job's status, and says how it ended.

    python -m mvkit.runs.agent reports/first --processes 2

The job's own files are in `job/` of the run's folder: job.json, which is the status.json of a job, spec.json and log. A
file `stop` there ends it from any machine that sees the folder: the step in hand is finished and saved.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from mvkit.errors import MvkitError
from mvkit.runs.folder import Inside, RunFolder, RunLock
from mvkit.runs.status import Status

BEAT, LOOK = 2.0, 0.2  # seconds between two looks at the memory, and at `stop`
# Cluster managers tell a job with these that its time is over; they may reach every process of it and would end them.
_FOR_THE_JOB = ("SIGUSR1", "SIGUSR2")


class JobFolder(RunFolder):
    """Its status has a name of its own, so that no list of runs takes it for one more."""

    status = Inside("job.json")


def of(out: Path) -> JobFolder:
    """Where the job of a run's folder keeps its own files."""
    return JobFolder(out / "job")


def work(out: Path, processes: int, *, monitor: str = "", look: str = "") -> None:
    """Train the spec in `out`/job/spec.json in so many processes, to the end, and keep the job's status meanwhile.

    monitor, look: as for `mvkit.train.worker`. Raises what ended it: AlreadyRunning where another process has the job,
    Requeue or KeyboardInterrupt where it was stopped and saved, RunError with the cause.
    """
    folder = of(out)
    with RunLock(folder).take():
        (folder.path / "stop").unlink(missing_ok=True)
        status = Status(folder, notebook="", runner="mvkit.launch")
        status.write(state="running", processes=processes)
        # By it, processes left behind are known; a job in a notebook's run is not one of the notebook's own processes.
        os.environ["MVKIT_RUN_FOLDER"] = str(folder.path)
        try:
            with _beating(status):
                _train(folder, out, processes, monitor, look)
        except KeyboardInterrupt as stop:
            saved = sorted((out / "checkpoint").glob("step_*"))
            cause = f"stopped, {saved[-1].name} is saved" if saved else "stopped before a step was done"
            status.end("interrupted", kind="interrupted", cause=cause)
            raise type(stop)(cause) from None
        except BaseException as err:
            status.end("failed", kind="exception", cause=" ".join(str(err).split()) or type(err).__name__)
            raise
        status.end("done")


def _train(folder: RunFolder, out: Path, processes: int, monitor: str, look: str) -> None:
    # Late, because they are slow: who started this process waits for its status.
    from mvkit.runs.kernel import end_left_behind
    from mvkit.train.launch import fit_in_processes

    end_left_behind(folder)
    fit_in_processes(folder.path / "spec.json", out, processes, monitor=monitor, look=look)


@contextmanager
def _beating(status: Status) -> Iterator[None]:
    """Meanwhile: memory into the status now and then, and SIGTERM for this process once `stop` is there."""
    from mvkit.runs.kernel import resident_bytes

    over, asked = threading.Event(), status.folder.path / "stop"

    def beat() -> None:
        next_beat, told = 0.0, False
        while not over.wait(LOOK):
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + BEAT
                with suppress(MvkitError):  # a full disk: the run itself will say it
                    status.write(memory_mb=round(resident_bytes(os.getpid()) / 1e6))
            if not told and asked.exists():
                told = True
                os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _stop_early(number: int, frame: FrameType | None) -> None:
    from mvkit.train.interrupt import Requeue

    raise Requeue


def main() -> int:
    """Entry point of the process; exit codes as of `mvkit train`."""
    wanted = argparse.ArgumentParser(prog="mvkit.runs.agent")
    wanted.add_argument("out", type=Path, help="folder of the run")
    wanted.add_argument("--processes", type=int, default=1)
    wanted.add_argument("--monitor", default="")
    wanted.add_argument("--look", default="")
    given = wanted.parse_args()
    for name in _FOR_THE_JOB:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop_early)  # torch has its own once processes are started
    try:
        work(given.out, given.processes, monitor=given.monitor, look=given.look)
    except KeyboardInterrupt as stop:
        from mvkit.train.interrupt import REQUEUE, Requeue

        return _said(stop, REQUEUE if isinstance(stop, Requeue) else 130)
    except MvkitError as err:
        return _said(err, getattr(err, "exit_code", 1))
    return 0


def _said(end: BaseException, code: int) -> int:
    sys.stderr.write(f"mvkit: {end}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
