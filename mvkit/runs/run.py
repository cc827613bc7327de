"""Run one notebook headless and leave a folder that tells the truth about it.

Parameters are checked before a kernel starts; papermill puts them in; the cells run in a kernel of this Python, in the
project root; status.json is written by this process alone. A run that is done is shown, not run again; one that was
stopped, killed or out of time runs again and may go on from its checkpoint.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from mvkit.errors import MvkitError, OptionError, RunError
from mvkit.runs.execution import Ending, Execution, kind_of, one_line
from mvkit.runs.files import DiskFull, write_bytes_atomic, write_json_atomic
from mvkit.runs.folder import RunFolder, RunLock
from mvkit.runs.kernel import end_left_behind
from mvkit.runs.notebook import find_notebook, project_root
from mvkit.runs.parameters import Parameters
from mvkit.runs.progress import Progress, training
from mvkit.runs.provenance import provenance
from mvkit.runs.session import FOLDER_VARIABLE
from mvkit.runs.status import EXIT, LIVE, Status, read_status


@dataclass(frozen=True)
class Outcome:
    """How a run stands after `run_notebook`. shown: it has ended before and has not run now."""

    folder: RunFolder
    status: dict[str, Any]
    shown: bool = False

    @property
    def done(self) -> bool:
        return self.status["state"] == "done"

    @property
    def exit_code(self) -> int:
        return EXIT["done"] if self.done else EXIT[self.status.get("kind", "exception")]


def run_notebook(
    notebook: Path | str,
    parameters: Mapping[str, Any] | None = None,
    *,
    out: Path | str | None = None,
    timeout: float | None = None,
    cell_timeout: float | None = None,
    retry: bool = True,
    force: bool = False,
    progress: bool = True,
    command: list[str] | None = None,
) -> Outcome:
    """Run a notebook with these parameters (text or native values), or show the run that is done already.

    out: the reports folder, by default `reports/` of the project root; timeout: seconds for all cells; cell_timeout:
    for each; retry=False: show a run that ended with an error of its own rather than run it again; force: run again
    from nothing; progress: one live line on stderr; command: what provenance records, by default this process's argv.
    Raises OptionError before a kernel starts for unknown or ill-typed parameters and files that are not there,
    AlreadyRunning where another process works on this run. A notebook that fails raises nothing: see `Outcome.status`.
    """
    path = find_notebook(notebook)
    declared = Parameters.read(path)
    values = declared.resolve(parameters)
    declared.look(values, project_root(path))
    for name, limit in (("timeout", timeout), ("cell_timeout", cell_timeout)):
        if limit is not None and not limit > 0:
            raise OptionError(f"{name} must be seconds above 0, got {limit}")
    folder = RunFolder.of(path, values, Path(out) if out is not None else None)
    with RunLock(folder).take():
        earlier = read_status(folder)
        if not force and (earlier["state"] == "done" or (not retry and earlier.get("kind") == "exception")):
            return Outcome(folder, earlier, shown=True)
        if earlier["state"] in LIVE:  # said by one who is dead, for the lock is ours
            end_left_behind(folder)
        folder.prepare(values, fresh=force)
        status = Status(folder, notebook=str(path), runner="mvkit run")
        try:
            _run(path, values, folder, status, (timeout, cell_timeout), progress, command)
        except KeyboardInterrupt:
            _end(status, "interrupted", "interrupted", "Ctrl-C")
        except MvkitError as err:
            _end(status, "failed", "disk" if isinstance(err, DiskFull) else "report", one_line(err))
        except BaseException as err:
            cause = f"{type(err).__name__}: {one_line(err)}"
            kind = kind_of(cause)
            _end(status, "failed", "report" if kind == "exception" else kind, cause)
            if kind == "exception":
                raise
        if status.data["state"] != "done":
            end_left_behind(folder)
        return Outcome(folder, status.data)


def _end(status: Status, state: str, kind: str, cause: str) -> None:
    # Where even the last word finds no room, the old one stays, and reads as killed once the lock is gone.
    with suppress(RunError):
        status.end(state, kind=kind, cause=cause)


def _run(
    path: Path,
    values: dict[str, Any],
    folder: RunFolder,
    status: Status,
    limits: tuple[float | None, float | None],
    progress: bool,
    command: list[str] | None,
) -> None:
    write_json_atomic(folder.provenance, provenance(path, values, command))
    nb = parameterised(path, values)
    line = Progress(folder.name) if progress else None
    began = time.time()

    def on_cell(number: int, of: int) -> None:
        nonlocal began
        began = time.time()
        status.write(state="running", cell=number, cells=of)
        if line:
            line.show(f"cell {number}/{of}")

    def beat() -> None:
        status.write(memory_mb=round(execution.memory / 1e6))
        if line and "cell" in status.data:
            place, numbers = training(folder.path, began)
            line.show(f"cell {status.data['cell']}/{status.data['cells']}  {place}".rstrip(), numbers, keep=False)

    def on_output() -> None:
        write_bytes_atomic(folder.partial, nbformat.writes(nb).encode())

    status.write(state="running")
    env = {**os.environ, FOLDER_VARIABLE: str(folder.path)}
    execution = Execution(nb, project_root(path), env, folder.log, on_cell, on_output, beat, *limits)
    ending = execution.run()
    status.data["memory_mb"] = round(execution.memory / 1e6)
    if line:
        line.end()
    _close(nb, folder, status, ending)


def _close(nb: Any, folder: RunFolder, status: Status, ending: Ending) -> None:
    """Notebook, report, then the last word; a run is done only when all of it is on disk."""
    from mvkit.runs.report import write_report

    on_output = folder.notebook if ending.state == "done" else folder.partial
    write_bytes_atomic(on_output, nbformat.writes(nb).encode())
    last = {"kind": ending.kind, "cause": ending.cause, "cell": ending.cell, "cell_id": ending.cell_id}
    last = {name: value for name, value in last.items() if value}
    write_report(folder, {**status.data, "state": ending.state, **last})
    if ending.state == "done":
        folder.partial.unlink(missing_ok=True)
    if folder.log.exists() and not folder.log.stat().st_size:
        folder.log.unlink()
    status.end(ending.state, **last)


def parameterised(path: Path, values: Mapping[str, Any]) -> Any:
    """The notebook with papermill's cell of these values after its parameters cell, and outputs cleared."""
    from papermill.parameterize import parameterize_notebook

    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        cell.metadata.setdefault("tags", [])  # papermill looks there without asking
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    if not values:
        return nb
    nb.metadata.setdefault("papermill", {})
    return parameterize_notebook(nb, dict(values), kernel_name="python3", language="python")
