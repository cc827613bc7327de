"""One try at one run, as a process of its own: what a sweep starts here and what a job on a cluster starts there.

    python -m mvkit.runs.sweep.attempt '{"notebook": ..., "values": {...}, "folder": ..., ...}'

The process is in its own session: Ctrl-C in the terminal reaches the sweep alone, which then ends its processes in
order, and a sweep that is killed takes no run with it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mvkit.errors import MvkitError, RunError
from mvkit.runs.sweep.plan import Planned

STOP_SECONDS = 45.0  # a run gets 20 s to save its state and then writes its partial report
# Cluster managers tell a job with these that its time is over; they may reach every process of it and would end them.
_FOR_THE_JOB = ("SIGUSR1", "SIGUSR2")


@dataclass(frozen=True)
class Attempt:
    """What one process needs to know; every field is JSON. timeout: seconds, None for no limit. log: its output."""

    notebook: str
    values: Mapping[str, Any]
    folder: str
    timeout: float | None
    log: str
    command: list[str]

    @classmethod
    def at(cls, run: Planned, log: Path, timeout: float | None, command: list[str]) -> "Attempt":
        return cls(str(run.notebook), dict(run.values), str(run.folder.path), timeout, str(log), command)

    def start(self, threads: int) -> "subprocess.Popen[bytes]":
        """Start the process. threads: of torch and numpy in it, unless OMP_NUM_THREADS says otherwise."""
        Path(self.log).parent.mkdir(parents=True, exist_ok=True)
        env = {"OMP_NUM_THREADS": str(max(1, threads)), **os.environ}
        with Path(self.log).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "mvkit.runs.sweep.attempt", json.dumps(asdict(self))],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self) -> int:
        """Run the notebook here; the exit code is that of `mvkit run`. Raises RunError where the code has changed."""
        from mvkit.runs.folder import RunFolder
        from mvkit.runs.run import run_notebook

        notebook, planned = Path(self.notebook), Path(self.folder)
        out = planned.parents[1]
        if (now := RunFolder.of(notebook, self.values, out).path) != planned:
            raise RunError(
                f"{planned.name} is {now.name} by now: the notebook or mvkit has changed since the plan; call again"
            )
        return run_notebook(notebook, self.values, out=out, timeout=self.timeout, command=self.command).exit_code


def stop(processes: list["subprocess.Popen[bytes]"], *, wait: bool = True) -> None:
    """Ask all to save and end, wait for them, and kill those that do not. Asked again, they end without saving.

    Signal handlers call this too, so it polls: a `Popen.wait` that was interrupted holds a lock.
    """
    for process in processes:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
    if not wait:
        return
    deadline = time.monotonic() + STOP_SECONDS
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in processes:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def main() -> int:
    """Entry point of the process."""
    for name in _FOR_THE_JOB:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        return Attempt(**json.loads(sys.argv[1])).run()
    except MvkitError as err:
        sys.stderr.write(f"mvkit: {err}\n")
        return getattr(err, "exit_code", 2)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
