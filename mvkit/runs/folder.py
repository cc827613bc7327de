"""The folder of one run: `reports/<notebook>/<run id>/`.

    params.json       resolved parameters, native          metrics.jsonl   one JSON object a line, as the run goes
    provenance.json   code, versions, device, command      results.json    what the run found
    status.json       the only truth about success         masks.npz       masks, bool, True = hidden
    figures/ checkpoint/ notebook.ipynb report.html        kernel.log      what the kernel process itself printed

The run id is the first ten hex digits of a hash of the resolved parameters, the notebook's cells (without the
parameters cell) and the Python sources of mvkit: the same settings come back to the same folder, changed ones never
collide.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

from mvkit.errors import RunError
from mvkit.runs.files import read_tail, write_json_atomic
from mvkit.runs.notebook import code_hash, notebook_hash, project_root


def run_id(notebook: Path, values: Mapping[str, Any]) -> str:
    """Ten hex digits naming the run of this notebook with these resolved parameters and this code."""
    text = json.dumps(dict(values), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256("\0".join((text, notebook_hash(notebook), code_hash())).encode()).hexdigest()[:10]


class Inside:
    """A path in the folder of a run."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: "RunFolder", owner: object = None) -> Path:
        return folder.path / self.name


@dataclass(frozen=True)
class RunFolder:
    """Paths and small reads of one run's folder; making one touches nothing on disk."""

    path: Path

    @classmethod
    def of(cls, notebook: Path, values: Mapping[str, Any], out: Path | None = None) -> "RunFolder":
        """The folder of a run. out: the reports folder, by default `reports/` of the notebook's project root."""
        reports = Path(out) if out is not None else project_root(notebook) / "reports"
        return cls((reports / notebook.stem / run_id(notebook, values)).resolve())

    @property
    def name(self) -> str:
        """`<notebook>/<run id>`."""
        return f"{self.path.parent.name}/{self.path.name}"

    params = Inside("params.json")
    provenance = Inside("provenance.json")
    status = Inside("status.json")
    metrics = Inside("metrics.jsonl")
    results = Inside("results.json")
    masks = Inside("masks.npz")
    figures = Inside("figures")
    checkpoint = Inside("checkpoint")
    notebook = Inside("notebook.ipynb")
    partial = Inside("notebook.partial.ipynb")  # while the run goes on, and what is left of one that did not end
    report = Inside("report.html")
    log = Inside("kernel.log")

    def prepare(self, values: Mapping[str, Any], *, fresh: bool = False) -> None:
        """Make the folder ready for a (new) start; call with the lock held.

        Outputs of an earlier try go. checkpoint/ and the journal that belongs to it stay, so that the run goes on from
        there, and job/, which may be training still; fresh=True removes them as well.
        """
        going_on = not fresh and any(p.is_dir() and any(p.iterdir()) for p in (self.checkpoint, self.path / "job"))
        kept = {".lock", "checkpoint", "metrics.jsonl", "spec.json", "pictures", "job"} if going_on else {".lock"}
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if path.name in kept:
                continue
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.figures.mkdir(parents=True, exist_ok=True)
        self.checkpoint.mkdir(parents=True, exist_ok=True)
        write_json_atomic(self.params, values)

    def last_metrics(self) -> dict[str, Any]:
        """The last whole line of metrics.jsonl, or {}."""
        return (read_tail(self.metrics) or [{}])[-1]


class RunLock:
    """At most one process works on a run. The system drops the lock with the process, however that ends."""

    _held: ClassVar[dict[Path, "RunLock"]] = {}

    def __init__(self, folder: RunFolder) -> None:
        self.path = folder.path / ".lock"
        self._file: IO[str] | None = None

    def take(self) -> "RunLock":
        """Hold the lock, or raise AlreadyRunning naming the process that has it, this one included."""
        if self.path in RunLock._held:
            raise AlreadyRunning(f"{self.path.parent} is already running in this very process; wait for it")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+")
        # Someone who only looks (`taken`) holds it for microseconds: ask a few times before believing it.
        if not any(_try_lock(file) or time.sleep(0.05) for _ in range(4)):
            file.seek(0)
            owner = file.read().strip() or "another process"
            file.close()
            raise AlreadyRunning(f"{self.path.parent} is already running ({owner}); wait for it or stop it")
        file.seek(0)
        file.truncate()
        file.write(f"pid {os.getpid()} on {os.uname().nodename if hasattr(os, 'uname') else 'this host'}")
        file.flush()
        self._file = file
        RunLock._held[self.path] = self
        return self

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            RunLock._held.pop(self.path, None)

    def __enter__(self) -> "RunLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def taken(self) -> bool:
        """Whether any process holds the lock now; never takes it."""
        if self.path in RunLock._held:
            return True
        if not self.path.exists():
            return False
        with self.path.open("a+") as file:
            return not _try_lock(file)


class AlreadyRunning(RunError):
    """Another process works on this run; the command line ends with its own exit code."""

    exit_code = 3


def find_runs(reports: Path, which: str | None = None) -> list[RunFolder]:
    """Runs in a reports folder, last begun first. which: a run's folder, `<notebook>` or `<notebook>/<start of id>`.

    Raises RunError where there is no such run.
    """
    if which is not None and (Path(which) / "status.json").is_file():
        return [RunFolder(Path(which).resolve())]
    notebook, _, start = (which or "*").strip("/").partition("/")
    files = list(reports.glob(f"{notebook}/{start}*/status.json"))
    if not files and which is not None:
        raise RunError(f"no run '{which}' in {reports.resolve()}; `mvkit report` lists them")
    files.sort(key=lambda file: (file.parent / "params.json").stat().st_mtime, reverse=True)
    return [RunFolder(file.parent.resolve()) for file in files]


def _try_lock(file: IO[str]) -> bool:
    """Lock an open file without waiting; the lock goes with the file."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            file.seek(0x7FFF0000)  # locked bytes cannot be read by others there: lock one far behind the text
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # pyright: ignore
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as err:
        raise RunError(f"{file.name} cannot be locked: {err.strerror}; choose --out on another file system") from None
    return True
