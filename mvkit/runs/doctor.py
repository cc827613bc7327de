"""What a machine needs for mvkit, checked by trying it: each line says what was found and what to do about it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nbformat.v4 import new_code_cell, new_notebook

from mvkit.runs.execution import one_line
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
    yield browser()
    yield slurm()


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
    """Which video libraries give exactly the frames asked for, on two small files; mvkit cannot do without PyAV."""
    from mvkit.data.audit import audit
    from mvkit.data.frames import readers_available

    there, installed = readers_available(), versions()
    with tempfile.TemporaryDirectory(prefix="mvkit-") as folder:
        files = {Path(folder) / "plain.mp4": _PLAIN, Path(folder) / "open.mp4": _OPEN} if "av" in there else {}
        for path, options in files.items():
            _write_video(path, options)
        records = audit(files, there, timeout=60)
    for name, needed in (("av", True), ("decord", False), ("torchcodec", False)):
        if name not in there:
            found = f"{installed[name]} does not load" if installed[name] else "not installed"
            yield Check(name, not needed, found, "install av" if needed else "optional: mvkit reads with PyAV")
            continue
        said = [record.readers.get(name, record.reason) for record in records]
        exact = [one == "exact" for one in said]
        words = [f"{kind} H.264: {one}" for kind, one in zip(("plain", "open-group"), said, strict=True)]
        repair = (
            "" if all(exact) else "reinstall av" if needed else "nothing to do: mvkit uses it only where it is exact"
        )
        yield Check(name, all(exact) or not needed, f"{installed[name]}, {', '.join(words)}", repair)


# Groups of pictures that lean on the one before, with frames out of order, are where readers go wrong.
_PLAIN = {"bf": "0", "g": "12"}
_OPEN = {"bf": "2", "g": "12", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}


def _write_video(path: Path, options: dict[str, str]) -> None:
    """36 frames of moving noise, 96 x 64 pixels."""
    import av
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for number in range(36):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(noise, 3 * number, 1), format="rgb24")))
        container.mux(stream.encode())


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


def browser() -> Check:
    """Something that opens report.html here; the report is one file, so another machine's will do."""
    programs = ("chromium", "chromium-browser", "google-chrome", "firefox", "microsoft-edge", "open", "explorer.exe")
    found = next(filter(None, map(shutil.which, programs)), None)
    return Check("browser", True, found or "none here", "" if found else "optional: copy report.html to where one is")


def slurm() -> Check:
    """Whether `sbatch` is there and a controller answers it, and submitit, which `mvkit sweep --on slurm` needs."""
    if shutil.which("sbatch") is None:
        return Check("slurm", True, "none here", "optional: sweeps run on this machine with `mvkit sweep -j N`")
    if find_spec("submitit") is None:
        return Check("slurm", True, "sbatch is there, submitit is not", "for `--on slurm`: pip install submitit")
    try:
        asked = subprocess.run(["sinfo", "-h", "-o", "%P %D %t"], capture_output=True, text=True, timeout=10)
        said = " ".join((asked.stdout or asked.stderr).split())[:80]
        answers = asked.returncode == 0 and bool(said)
    except (OSError, subprocess.TimeoutExpired) as err:
        said, answers = one_line(err), False
    if not answers:
        return Check("slurm", True, f"no controller answers ({said})", "for `--on slurm`: call it on a login node")
    return Check("slurm", True, f"answers: {said}")
