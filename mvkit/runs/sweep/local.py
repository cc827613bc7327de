"""Runs on this machine, so many processes at a time, the cores divided among them."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from mvkit.runs.sweep.attempt import Attempt, stop
from mvkit.runs.sweep.plan import Planned


class Local:
    """jobs: processes at a time. logs: folder for what they write. timeout: seconds of each run."""

    def __init__(
        self, logs: Path, jobs: int, *, timeout: float | None = None, command: list[str] | None = None
    ) -> None:
        self.logs, self.jobs, self.timeout, self.command = logs, jobs, timeout, command or []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def room(self) -> int:
        return self.jobs - len(self._processes)

    def going(self) -> set[str]:
        return set(self._processes)

    def start(self, runs: Iterable[Planned]) -> None:
        for run in runs:
            attempt = Attempt.at(run, log_file(self.logs, run.name), self.timeout, self.command)
            self._processes[run.name] = attempt.start(cores() // self.jobs)

    def ended(self) -> dict[str, int | None]:
        codes = {name: process.poll() for name, process in self._processes.items()}
        ended = {name: code for name, code in codes.items() if code is not None}
        for name in ended:
            del self._processes[name]
        return dict(ended)

    def stop(self, *, now: bool) -> str:
        processes = list(self._processes.values())
        stop(processes, wait=not now)
        return stopped(len(processes))

    def last_words(self, name: str) -> str:
        return last_line(log_file(self.logs, name))


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count(runs: int) -> str:
    return f"{runs} run" if runs == 1 else f"{runs} runs"


def stopped(runs: int) -> str:
    """What to say when so many were stopped."""
    return f"stopped {count(runs)}, saved where they could be" if runs else ""


def log_file(logs: Path, name: str) -> Path:
    return logs / f"{name.replace('/', '-')}.log"


def last_line(log: Path) -> str:
    """The last line of a log, "" where there is none."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip()[:300] if lines else ""
