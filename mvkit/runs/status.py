"""status.json: the one truth about how a run stands, written by whoever runs it and by nobody else.

    queued       made, not begun
    running      pid, host, boot, cell n of m, memory_mb, heartbeat every few seconds
    done         every cell ran and the report is written
    failed       kind (exception, kernel, timeout, memory, disk, report), cause in one line, cell
    interrupted  by Ctrl-C, a closed terminal or SIGTERM; goes on from its checkpoint
    killed       kernel (kind kernel or memory) or runner (kind runner) ended by SIGKILL, or the machine stopped;
                 goes on from its checkpoint

A runner that is killed cannot write; so `read_status` also asks the lock, which the system drops with the process, and
calls a `running` that nobody holds `killed`.
"""

import os
import platform
import secrets
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from mvkit.errors import RunError
from mvkit.runs.files import read_json, write_bytes_atomic, write_json_atomic
from mvkit.runs.folder import RunFolder, RunLock

STATES = ("queued", "running", "done", "failed", "interrupted", "killed")
LIVE = ("queued", "running")

# Exit codes of `mvkit run` by kind; 2 is for parameters and usage, refused before a kernel starts.
EXIT = {
    "done": 0,
    "exception": 1,
    "report": 1,
    "usage": 2,
    "busy": 3,
    "kernel": 4,
    "runner": 4,
    "timeout": 5,
    "memory": 6,
    "disk": 7,
    "interrupted": 130,
}

_RESERVE_BYTES = 16_384  # on a full disk, room for the last word: status.json takes one block or two
_SILENCE_SECONDS = 60.0  # a runner on another machine whose heartbeat is older is gone; it beats every two


def now() -> str:
    """UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Status:
    """Writes status.json of one run; every change is a whole new file."""

    def __init__(self, folder: RunFolder, *, notebook: str, runner: str) -> None:
        """runner: who writes: 'mvkit run' or 'session' (papermill, JupyterLab)."""
        self.folder = folder
        self.began = time.monotonic()
        self.data: dict[str, Any] = {
            "state": "queued",
            "run": folder.name,
            "notebook": notebook,
            "runner": runner,
            "pid": os.getpid(),
            "host": platform.node(),
            "boot": boot(),
            "started": now(),
        }
        # Random bytes: a file system that compresses would keep no room for zeros.
        write_bytes_atomic(self._reserve, secrets.token_bytes(_RESERVE_BYTES))
        self.write()

    @property
    def _reserve(self) -> Path:
        return self.folder.path / ".reserve"

    def write(self, **changes: Any) -> None:
        """Change some fields and write the file, with a fresh heartbeat."""
        self.data |= changes
        self.data |= {"heartbeat": now(), "seconds": round(time.monotonic() - self.began, 1)}
        write_json_atomic(self.folder.status, self.data)

    def end(self, state: str, **changes: Any) -> None:
        """The last word: done, failed, interrupted or killed; there is room for it on a full disk."""
        try:
            self.write(state=state, ended=now(), **changes)
        except RunError:
            self._reserve.unlink(missing_ok=True)
            self.write()
        self._reserve.unlink(missing_ok=True)


def read_status(folder: RunFolder) -> dict[str, Any]:
    """The status of a run; state is 'missing' where none was begun. Raises RunError for a broken file."""
    data = read_json(folder.status)
    if not data:
        return {"state": "missing", "run": folder.name}
    if data.get("state") in LIVE and not _worked_on(folder, data):
        # Read again: the runner may have ended between the first look and the lock.
        data = read_json(folder.status)
        if data.get("state") in LIVE:
            data |= {"state": "killed", "kind": "runner", "cause": _gone(data)}
    return data


@cache
def boot() -> str:
    """Names this start of the machine: process numbers of an earlier one mean nothing."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil

        return str(int(psutil.boot_time()))


def _worked_on(folder: RunFolder, data: dict[str, Any]) -> bool:
    if RunLock(folder).taken:
        return True
    # Not every shared file system carries locks from one machine to another; the heartbeat comes through.
    if data.get("host") == platform.node():
        return False
    heard = datetime.fromisoformat(data["heartbeat"])
    return (datetime.now(UTC) - heard).total_seconds() < _SILENCE_SECONDS


def _gone(data: dict[str, Any]) -> str:
    if data.get("host") == platform.node() and data.get("boot", boot()) != boot():
        return f"the machine was restarted while process {data.get('pid')} ran; last heard of at {data['heartbeat']}"
    where = "" if data.get("host") == platform.node() else f" on {data.get('host')}"
    return f"process {data.get('pid')}{where} is gone without a word (killed, or the machine stopped)"
