"""status.json: the one truth about how a run stands, written by whoever runs it and by nobody else.

    queued       made, not begun
    running      pid, host, cell n of m, heartbeat every few seconds
    done         every cell ran and the report is written
    failed       kind (exception, kernel, timeout, report), cause in one line, cell
    interrupted  by Ctrl-C or a signal, or its process is gone; goes on from its checkpoint

A runner that is killed cannot write; so `read_status` also asks the lock, which the system drops with the process, and
calls a `running` that nobody holds `interrupted`.
"""

import os
import platform
import time
from datetime import UTC, datetime
from typing import Any

from mvkit.runs.files import read_json, write_json_atomic
from mvkit.runs.folder import RunFolder, RunLock

STATES = ("queued", "running", "done", "failed", "interrupted")

# Exit codes of `mvkit run`; 2 is for parameters and usage, refused before a kernel starts.
EXIT = {"done": 0, "exception": 1, "report": 1, "usage": 2, "busy": 3, "kernel": 4, "timeout": 5, "interrupted": 130}


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
            "started": now(),
        }
        self.write()

    def write(self, **changes: Any) -> None:
        """Change some fields and write the file, with a fresh heartbeat."""
        self.data |= changes
        self.data |= {"heartbeat": now(), "seconds": round(time.monotonic() - self.began, 1)}
        write_json_atomic(self.folder.status, self.data)

    def end(self, state: str, **changes: Any) -> None:
        """The last word: done, failed or interrupted."""
        self.write(state=state, ended=now(), **changes)


def read_status(folder: RunFolder) -> dict[str, Any]:
    """The status of a run; state is 'missing' where none was begun. Raises RunError for a broken file."""
    data = read_json(folder.status)
    if not data:
        return {"state": "missing", "run": folder.name}
    if data.get("state") in ("queued", "running") and not RunLock(folder).taken:
        # Read again: the runner may have ended between the first look and the lock.
        data = read_json(folder.status)
        if data.get("state") in ("queued", "running"):
            gone = f"process {data.get('pid')} is gone without a word (killed, or the machine stopped)"
            data |= {"state": "interrupted", "kind": "interrupted", "cause": gone}
    return data
