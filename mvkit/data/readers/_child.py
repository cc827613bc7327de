"""A child process that examines files, so that a decoder which crashes or hangs takes nothing else with it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Timer
from typing import Any


class Died(Exception):
    """The child ended or overran; the message says how."""


class Child:
    """One examining process. Requests go in one at a time; a dead child is replaced at the next request."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, path: str, readers: list[str], timeout: float) -> Iterator[dict[str, Any]]:
        """Messages about one file, as they come. Raises Died if the child ends or takes over `timeout` seconds."""
        process = self._process = self._process or _start()
        assert process.stdin is not None and process.stdout is not None
        late = Event()
        alarm = Timer(timeout, lambda: (late.set(), process.kill()))
        alarm.start()
        try:
            process.stdin.write(json.dumps({"path": path, "readers": readers, "timeout": timeout}) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                if "done" in (message := json.loads(line)):
                    return
                yield message
        except OSError:
            pass  # it ended before it could read the request
        finally:
            alarm.cancel()
        self._process = None
        code = process.wait()
        if late.is_set():
            raise Died(f"took over {timeout:g} s")
        raise Died(f"crashed (signal {-code})" if code < 0 else f"ended with code {code}")

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _start() -> "subprocess.Popen[str]":
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "mvkit.data.readers._examine"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": path},
    )
