"""Run the cells of a notebook in a kernel, and say in one record how that ended.

nbclient speaks the kernel's protocol; what it and papermill leave out is here: a stop (Ctrl-C, SIGTERM, a closed
terminal, the time limit) first interrupts the cell, so that training can save its state, and kills the kernel only
after a grace time; every way to end has its own word.
"""

import asyncio
import logging
import os
import re
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from mvkit.errors import RunError
from mvkit.runs.kernel import kernel_manager, resident_bytes, socket_folder

_log = logging.getLogger(__name__)
_BEAT_SECONDS = 2.0
_GRACE_SECONDS = 20.0  # a tiny run's checkpoint takes under a second to write, a ViT-L's with optimiser state about ten
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# How Python, numpy, torch and safetensors say it.
_MEMORY = re.compile(r"^(\w*MemoryError)\b|can't allocate memory|not enough memory")
_DISK = re.compile(r"^DiskFull\b|No space left on device|Disk quota exceeded|PytorchStreamWriter failed writing file")


@dataclass
class Ending:
    """state: done, failed, interrupted or killed. kind: as in status.py; cause: one line."""

    state: str
    kind: str = ""
    cause: str = ""
    cell: int = 0
    cell_id: str = ""


@dataclass
class Execution:
    """One notebook in one kernel. nb is filled with outputs as it goes.

    on_cell(n, m): cell n of m code cells begins; on_output(): a cell has ended; beat(): every two seconds.
    timeout: seconds for the whole notebook, cell_timeout for each cell, None for no limit. log: file for the kernel's
    own output. memory: the most bytes the kernel and its workers were seen to hold.
    """

    nb: Any
    cwd: Path
    env: dict[str, str]
    log: Path
    on_cell: Callable[[int, int], None]
    on_output: Callable[[], None]
    beat: Callable[[], None]
    timeout: float | None = None
    cell_timeout: float | None = None
    memory: int = field(default=0, init=False)
    _ends: dict[str, float] = field(default_factory=dict, init=False)
    _stop: tuple[str, str] | None = field(default=None, init=False)
    _km: AsyncKernelManager | None = field(default=None, init=False)

    def run(self) -> Ending:
        """Run all cells. Works in a thread too, without listening to signals there."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._run())
        # Called from a notebook: its loop is busy with this very call.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._run()).result()

    async def _run(self) -> Ending:
        self._listen()
        if self.timeout is not None:
            self._ends[f"the time limit of {self.timeout:g} s"] = asyncio.get_running_loop().time() + self.timeout
        pulse = asyncio.create_task(self._pulse())
        try:
            with socket_folder() as sockets, self.log.open("wb") as log:
                self._km = kernel_manager(Path(sockets))
                client = NotebookClient(self.nb, km=self._km, timeout=None, startup_timeout=120, allow_errors=False)
                try:
                    return await self._start(client, log) or await self._cells(client)
                finally:
                    if client.km is not None:
                        await client._async_cleanup_kernel()
        finally:
            pulse.cancel()

    async def _start(self, client: NotebookClient, log: BinaryIO) -> Ending | None:
        """Nothing when the kernel answers, else how it failed to."""
        try:
            await client.async_start_new_kernel(cwd=str(self.cwd), env=self.env, stdout=log, stderr=log)
            await client.async_start_new_kernel_client()
        except (DeadKernelError, RuntimeError, OSError) as err:
            cause = f"the kernel did not start: {one_line(err)}; see {self.log.name}"
            return self._stopped() or Ending("failed", "kernel", cause)
        return None

    async def _cells(self, client: NotebookClient) -> Ending:
        code = [i for i, cell in enumerate(self.nb.cells) if cell.cell_type == "code" and cell.source.strip()]
        kills = _memory_kills()
        for number, index in enumerate(code, 1):
            cell = self.nb.cells[index]
            where = {"cell": number, "cell_id": cell.get("id", "")}
            if ending := self._stopped(**where):
                return ending
            try:
                self._weigh()
                self.on_cell(number, len(code))
                if self.cell_timeout is not None:
                    end = asyncio.get_running_loop().time() + self.cell_timeout
                    self._ends[f"the cell's time limit of {self.cell_timeout:g} s"] = end
                await client.async_execute_cell(cell, index)
            except CellExecutionError as err:
                if ending := self._stopped(**where):
                    return ending
                cause = one_line(f"{err.ename}: {err.evalue}".rstrip(": "))
                if err.ename == "KeyboardInterrupt":
                    return Ending("interrupted", "interrupted", "the kernel was interrupted", **where)
                return Ending("failed", kind_of(cause), cause, **where)
            except DeadKernelError:
                return self._stopped(**where) or self._death(_memory_kills() > kills, where)
            finally:
                self.on_output()
        return self._stopped(cell=len(code)) or Ending("done", cell=len(code))

    def _death(self, short_of_memory: bool, where: dict[str, Any]) -> Ending:
        """How the kernel's process ended, where the system says. short_of_memory: it killed one for that meanwhile."""
        process = getattr(getattr(self._km, "provisioner", None), "process", None)
        code = process.poll() if process is not None else None
        if code is None or code >= 0 or os.name != "posix":
            how = "" if code is None else f" with exit code {code}"
            return Ending("failed", "kernel", f"the kernel died{how}; see {self.log.name}", **where)
        name, held = signal.Signals(-code).name, f"it held {self.memory / 1e6:.0f} MB"
        if name != "SIGKILL":
            return Ending("failed", "kernel", f"the kernel died by {name}; see {self.log.name}", **where)
        if short_of_memory:
            return Ending("killed", "memory", f"the system was out of memory and killed the kernel; {held}", **where)
        return Ending("killed", "kernel", f"the kernel died by SIGKILL; {held}", **where)

    def _stopped(self, **where: Any) -> Ending | None:
        if self._stop is None:
            return None
        kind, cause = self._stop
        return Ending("failed" if kind == "timeout" else "interrupted", kind, cause, **where)

    def _listen(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            # What is ignored was ignored on purpose: nohup does that to SIGHUP.
            if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
                try:
                    loop.add_signal_handler(getattr(signal, name), self._on_signal, name)
                except NotImplementedError:  # Windows
                    signal.signal(
                        getattr(signal, name), lambda *_, word=name: loop.call_soon_threadsafe(self._on_signal, word)
                    )

    def _on_signal(self, name: str) -> None:
        again = self._stop is not None
        self._ask(
            ("interrupted", "Ctrl-C" if name == "SIGINT" else f"signal {name}"), grace=0 if again else _GRACE_SECONDS
        )

    def _ask(self, reason: tuple[str, str], grace: float) -> None:
        """Interrupt the running cell; kill the kernel after the grace time."""
        self._stop = self._stop or reason
        self._stopping = asyncio.create_task(self._end_kernel(grace))

    async def _end_kernel(self, grace: float) -> None:
        if self._km is not None and self._km.has_kernel:
            await self._km.interrupt_kernel()
            await asyncio.sleep(grace)
        if self._km is not None and self._km.has_kernel:
            await self._km.signal_kernel(getattr(signal, "SIGKILL", signal.SIGTERM))

    async def _pulse(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            next_end = min(self._ends.values(), default=float("inf"))
            await asyncio.sleep(min(_BEAT_SECONDS, max(0.0, next_end - loop.time())))
            over = [limit for limit, end in self._ends.items() if loop.time() >= end]
            if over:
                self._ends.clear()
                self._ask(("timeout", f"{over[0]} is over"), _GRACE_SECONDS)
            self._weigh()
            try:
                self.beat()
            except (RunError, OSError) as err:
                # One heartbeat is not worth a run: the next write that matters raises if the disk is still full.
                _log.warning("no heartbeat: %s", err)

    def _weigh(self) -> None:
        pid = getattr(getattr(self._km, "provisioner", None), "pid", None)
        self.memory = max(self.memory, resident_bytes(pid) if pid else 0)


def one_line(error: object) -> str:
    """The first line of an error, without terminal colours, 300 characters at most."""
    lines = [line.strip() for line in _ANSI.sub("", str(error)).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


def kind_of(error: str) -> str:
    """disk, memory or exception: what `Name: message` of an error says of its cause."""
    return "disk" if _DISK.search(error) else "memory" if _MEMORY.search(error) else "exception"


def _memory_kills() -> int:
    """How many processes Linux has killed for want of memory since it started, 0 where it does not say."""
    try:
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0
