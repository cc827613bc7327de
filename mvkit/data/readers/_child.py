"""A child process that examines files, so that a decoder which crashes or hangs takes nothing else with it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread


class Died(Exception):
    """The child ended or overran; the message says how."""


class Child:
    """One examining process. Requests go in one at a time; a dead child is replaced at the next request."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lines: SimpleQueue[str | None] = SimpleQueue()

    def ask(self, path: str, readers: list[str], timeout: float):
        """Messages about one file, as they come. Raises Died if the child ends or takes over `timeout` seconds."""
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps({"path": path, "readers": readers, "timeout": timeout}) + "\n")
            process.stdin.flush()
        except OSError:
            raise Died(self._end()) from None
        end = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                self.close()
                raise Died(f"took over {timeout:g} s") from None
            if line is None:
                raise Died(self._end())
            message = json.loads(line)
            if "done" in message:
                return
            yield message

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            root = str(Path(__file__).parents[3])
            path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mvkit.data.readers._examine"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": path},
            )
            self._lines = SimpleQueue()
            Thread(target=_pump, args=(self._process.stdout, self._lines), daemon=True).start()
        return self._process

    def _end(self) -> str:
        code = self._process.wait() if self._process else 0
        self._process = None
        return f"crashed (signal {-code})" if code < 0 else f"ended with code {code}"


def _pump(pipe, lines: "SimpleQueue[str | None]") -> None:
    for line in pipe:
        lines.put(line)
    lines.put(None)
