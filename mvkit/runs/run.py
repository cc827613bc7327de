"""Run one notebook headless and leave a folder that tells the truth about it.

Parameters are checked before a kernel starts; papermill puts them in; the cells run in a kernel of this Python, in the
project root; status.json is written by this process alone. A run that is done is shown, not run again; a failed or
interrupted one runs again and may go on from its checkpoint.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from mvkit.errors import MvkitError, OptionError
from mvkit.runs.execution import Ending, Execution, one_line
from mvkit.runs.files import write_bytes_atomic, write_json_atomic
from mvkit.runs.folder import RunFolder, RunLock
from mvkit.runs.notebook import find_notebook, project_root
from mvkit.runs.parameters import Parameters
from mvkit.runs.progress import Progress, training
from mvkit.runs.provenance import provenance
from mvkit.runs.session import FOLDER_VARIABLE
from mvkit.runs.status import EXIT, Status, read_status


@dataclass(frozen=True)
class Outcome:
    """How a run stands after `run_notebook`. shown: it was done before and has not run now."""

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
    force: bool = False,
    progress: bool = True,
    command: list[str] | None = None,
) -> Outcome:
    """Run a notebook with these parameters (text or native values), or show the run that is done already.

    out: the reports folder, by default `reports/` of the project root; timeout: seconds for all cells; force: run again
    from nothing; progress: one live line on stderr; command: what provenance records, by default this process's argv.
    Raises OptionError before a kernel starts for unknown or ill-typed parameters and files that are not there,
    AlreadyRunning where another process works on this run. A notebook that fails raises nothing: see `Outcome.status`.
    """
    path = find_notebook(notebook)
    declared = Parameters.read(path)
    values = declared.resolve(parameters)
    declared.look(values, project_root(path))
    if timeout is not None and not timeout > 0:
        raise OptionError(f"timeout must be seconds above 0, got {timeout}")
    folder = RunFolder.of(path, values, Path(out) if out is not None else None)
    with RunLock(folder).take():
        if not force and (status := read_status(folder))["state"] == "done":
            return Outcome(folder, status, shown=True)
        folder.prepare(values, fresh=force)
        status = Status(folder, notebook=str(path), runner="mvkit run")
        try:
            _run(path, values, folder, status, timeout, progress, command)
        except KeyboardInterrupt:
            status.end("interrupted", kind="interrupted", cause="Ctrl-C")
        except MvkitError as err:
            status.end("failed", kind="report", cause=one_line(err))
        except BaseException as err:
            status.end("failed", kind="report", cause=f"{type(err).__name__}: {one_line(err)}")
            raise
        return Outcome(folder, status.data)


def _run(
    path: Path,
    values: dict[str, Any],
    folder: RunFolder,
    status: Status,
    timeout: float | None,
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
        status.write()
        if line and "cell" in status.data:
            place, numbers = training(folder.path, began)
            line.show(f"cell {status.data['cell']}/{status.data['cells']}  {place}".rstrip(), numbers, keep=False)

    def on_output() -> None:
        write_bytes_atomic(folder.partial, nbformat.writes(nb).encode())

    status.write(state="running")
    env = {**os.environ, FOLDER_VARIABLE: str(folder.path)}
    ending = Execution(nb, project_root(path), env, folder.log, on_cell, on_output, beat, timeout).run()
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
