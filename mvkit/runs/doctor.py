"""What a machine needs for mvkit, checked by trying it: each line says what was found and what to do about it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from nbformat.v4 import new_code_cell, new_notebook

from mvkit.runs.provenance import versions

_DISK_GB = 2.0  # a long quickstart run leaves about 100 MB; below this a check on free space is worth a word


@dataclass(frozen=True)
class Check:
    """name, whether it is good enough, what was found, and what to do where it is not."""

    name: str
    ok: bool
    found: str
    repair: str = ""

    def line(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'} {self.name:<10} {self.found}" + (
            f"; {self.repair}" if self.repair else ""
        )

    def record(self) -> dict[str, Any]:
        return asdict(self)


def checks() -> Iterator[Check]:
    """All checks, one after the other; the slow ones (torch, a kernel) last a few seconds."""
    yield python()
    yield torch_and_device()
    yield from readers()
    yield kernel()
    yield disk(Path.cwd())


def python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    return Check("python", ok, f"{version} at {sys.executable}", "" if ok else "mvkit needs Python 3.11 or later")


def torch_and_device() -> Check:
    """torch loads and multiplies on the device it would train on."""
    try:
        import torch

        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        total = torch.ones(8, 8, device=name).matmul(torch.ones(8, 8, device=name)).sum().item()
        title = torch.cuda.get_device_name() if name == "cuda" else f"{name}, {torch.get_num_threads()} threads"
    except (ImportError, OSError, RuntimeError) as err:
        return Check("torch", False, f"{type(err).__name__}: {err}", "reinstall torch for this machine")
    return Check("torch", total == 512.0, f"{torch.__version__} on {title}")


def readers() -> Iterator[Check]:
    """The video libraries that load here; PyAV is the one mvkit cannot do without."""
    installed = versions()
    for module, needed in (("av", True), ("decord", False), ("torchcodec", False)):
        try:
            import_module(module)
        except (ImportError, OSError, RuntimeError) as err:
            reason = " ".join(str(err).split())[:80]
            repair = "install av" if needed else "optional: readers fall back to PyAV"
            yield Check(
                module, not needed, f"does not load ({reason})" if installed[module] else "not installed", repair
            )
        else:
            yield Check(module, True, f"{installed[module]} loads")


def kernel() -> Check:
    """A kernel of this Python starts and computes."""
    from mvkit.runs.execution import Execution

    nb = new_notebook(cells=[new_code_cell("import sys, mvkit\nsys.executable")])
    with tempfile.TemporaryDirectory(prefix="mvkit-") as folder:

        def quiet(*_: object) -> None:
            """Nobody watches this kernel."""

        log = Path(folder) / "kernel.log"
        ending = Execution(nb, Path(folder), dict(os.environ), log, quiet, quiet, quiet, timeout=60).run()
        words = log.read_text(errors="replace").strip().splitlines()
    if ending.state != "done":
        repair = words[-1][:120] if words else "reinstall ipykernel in this environment"
        return Check("kernel", False, ending.cause, repair)
    return Check("kernel", True, f"starts, {nb.cells[0].outputs[0].data['text/plain'].strip(chr(39))}")


def disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free / 1e9
    ok = free >= _DISK_GB
    return Check("disk", ok, f"{free:.1f} GB free at {folder}", "" if ok else f"runs want {_DISK_GB:g} GB: make room")
