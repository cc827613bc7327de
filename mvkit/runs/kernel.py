"""A kernel of our own: the runner's Python, its own process group, sockets in a private folder.

The kernel named in a notebook's metadata, and any kernelspec installed under `python3`, may point at another Python
without mvkit. Neither is asked: the kernel is `sys.executable -m ipykernel_launcher`.
"""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from mvkit.runs.folder import RunFolder
from mvkit.runs.session import FOLDER_VARIABLE


class _ThisPython(KernelSpecManager):
    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="mvkit", language="python")


def kernel_manager(sockets: Path) -> AsyncKernelManager:
    """A manager for one kernel, not started. sockets: an empty folder that lives as long as the kernel."""
    # Files instead of ports: two runs cannot race for one. A socket path holds 107 bytes at most, and Windows has none.
    short = os.name == "posix" and len(str(sockets)) < 80
    return AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=_ThisPython(),
        transport="ipc" if short else "tcp",
        connection_file=str(sockets / "kernel.json"),
    )


def socket_folder() -> tempfile.TemporaryDirectory[str]:
    """A private folder for `kernel_manager`, removed on exit of the `with`."""
    return tempfile.TemporaryDirectory(prefix="mvkit-", ignore_cleanup_errors=True)


def resident_bytes(pid: int) -> int:
    """Memory held by a process and all below it; pages that forked workers share count once for each."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total


def end_left_behind(folder: RunFolder) -> list[int]:
    """Kill what still works for this run though its runner or kernel is gone; call with the run's lock held.

    Known by its environment, which names the folder: a kernel that has not yet seen its runner die, or workers of a
    kernel that was killed, would go on to write into the folder. Returns their process numbers.
    """
    left: list[psutil.Process] = []
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # those of other users are not ours to read
            if process.pid not in spared and process.environ().get(FOLDER_VARIABLE) == str(folder.path):
                process.kill()
                left.append(process)
    psutil.wait_procs(left, timeout=5)
    return [process.pid for process in left]
