"""A kernel of our own: the runner's Python, its own process group, sockets in a private folder.

The kernel named in a notebook's metadata, and any kernelspec installed under `python3`, may point at another Python
without mvkit. Neither is asked: the kernel is `sys.executable -m ipykernel_launcher`.
"""

import os
import sys
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager


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
