"""What a notebook calls: `run = mvkit.runs.begin(parameters=globals(), notebook="00_quickstart")`.

The same call works under `mvkit run` (the folder and the status are the runner's), under plain papermill and in
JupyterLab (the session makes the same folder, holds its lock and writes its status). It checks the values once more:
papermill by itself passes a misspelled name or the text "false" on without a word.
"""

import atexit
import json
import os
import sys
import time
from collections.abc import Mapping
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from mvkit.errors import RunError
from mvkit.runs.files import jsonable, read_json, write_bytes_atomic, write_json_atomic
from mvkit.runs.folder import RunFolder, RunLock
from mvkit.runs.notebook import find_notebook, project_root
from mvkit.runs.parameters import Parameters, injected_names
from mvkit.runs.provenance import device, provenance
from mvkit.runs.results import Results
from mvkit.runs.status import Status

# Set by the runner in the kernel it starts.
FOLDER_VARIABLE = "MVKIT_RUN_FOLDER"

_open: dict[Path, "Session"] = {}


def begin(
    *, parameters: Mapping[str, Any], notebook: str | Path, out: Path | None = None, fresh: bool = False
) -> "Session":
    """The run this notebook is part of, its folder ready, the working folder set to the project root.

    parameters: the notebook's `globals()`, or a dict with every parameter; where papermill gave 1 for a float or a
    tuple for a list, it is a float and a list from here on. notebook: its name or path. out: another reports folder;
    fresh: forget an earlier checkpoint; both only where no runner has decided them already.
    Raises OptionError for a misspelled or ill-typed parameter or a file that is not there, RunError where another
    process works on this run.
    """
    if given := os.environ.get(FOLDER_VARIABLE):
        return _join(RunFolder(Path(given)), parameters, notebook)
    path = find_notebook(notebook)
    declared = Parameters.read(path)
    for source in parameters.get("In", []):
        declared.refuse_unknown(injected_names(source))
    values = declared.check(parameters)
    declared.look(values, project_root(path))
    if isinstance(parameters, dict):
        parameters.update(values)
    os.chdir(project_root(path))
    folder = RunFolder.of(path, values, out)
    if earlier := _open.pop(folder.path, None):
        earlier.close()
    lock = RunLock(folder).take()
    folder.prepare(values, fresh=fresh)
    status = Status(folder, notebook=str(path), runner="session")
    write_json_atomic(folder.provenance, provenance(path, values))
    status.write(state="running")
    session = _open[folder.path] = Session(folder, values, status, lock)
    session.watch()
    return session


def _join(folder: RunFolder, parameters: Mapping[str, Any], notebook: str | Path) -> "Session":
    """The session inside a run whose runner has checked the parameters, made the folder and chosen where to work.

    Raises RunError where the notebook or a value is not the run's: its name would then be a lie.
    """
    if folder.path.parent.name != Path(notebook).stem:
        raise RunError(
            f"begin(notebook='{notebook}') in a run of '{folder.path.parent.name}': give this notebook's name"
        )
    asked = read_json(folder.params)
    for name, value in asked.items():
        now = jsonable(parameters[name]) if name in parameters else "missing"
        if json.dumps(now) != json.dumps(value):
            raise RunError(
                f"parameter '{name}' was {value!r} when the run began and is now {now!r}: give what is derived "
                "from it another name"
            )
    return Session(folder, asked)


class Session:
    """One run, seen from its notebook: where things go, and the few verbs that put them there."""

    def __init__(
        self, folder: RunFolder, values: dict[str, Any], status: Status | None = None, lock: RunLock | None = None
    ) -> None:
        """status and lock: given where this process is the one that runs, None under a runner."""
        self.run = folder
        self.parameters = values
        self._status, self._lock = status, lock
        self._began = time.monotonic()
        _drop_torn_line(folder.metrics)

    @property
    def folder(self) -> Path:
        """reports/<notebook>/<run id>."""
        return self.run.path

    @property
    def name(self) -> str:
        """<notebook>/<run id>."""
        return self.run.name

    @property
    def figures(self) -> Path:
        """Folder for figures with their data beside them."""
        return self.run.figures

    @property
    def checkpoint(self) -> Path:
        """Folder that outlives an interruption; what lies in it is what a second start goes on from."""
        return self.run.checkpoint

    def log(self, metrics: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Add one line to metrics.jsonl; the runner's progress line shows the last one.

        Each line has `step` (by default that of the line before, else 0) and the seconds since `begin`.
        """
        named = {**(metrics or {}), **more}
        head = {"step": named.pop("step", self.run.last_metrics().get("step", 0))}
        line = {**head, "seconds": round(time.monotonic() - self._began, 3), **named}
        # Opened each time: `fit(out=run.folder)` keeps its journal in the same file and may replace it on resume.
        with self.run.metrics.open("ab") as file:
            file.write((json.dumps(jsonable(line), ensure_ascii=False) + "\n").encode())

    def save_results(self, results: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Add to results.json: numbers, texts, lists and mappings; a name given again is replaced."""
        write_json_atomic(self.run.results, {**read_json(self.run.results), **(results or {}), **more})

    def save_masks(self, masks: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Add to masks.npz: by name a TokenMask, a MaskSet (one entry per role) or a bool array, True = hidden.

        A mask is kept as `name` (B, N) bool and `name.grid` (t, h, w); a role of a set as `name.role`.
        """
        import numpy as np

        arrays: dict[str, Any] = {}
        if self.run.masks.exists():
            with np.load(self.run.masks) as old:
                arrays = dict(old)
        for name, mask in {**(masks or {}), **more}.items():
            roles = getattr(mask, "roles", None)
            if roles is None:
                arrays[name] = _bool_array(name, mask)
                continue
            for role, one in roles.items():
                key = name if len(roles) == 1 else f"{name}.{role}"
                arrays[key] = one.hidden.cpu().numpy()
                arrays[f"{key}.grid"] = np.array(one.grid.shape)
        buffer = BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_bytes_atomic(self.run.masks, buffer.getvalue())

    def finish(self, **results: Any) -> Results:
        """Save the last results and give back all of them; where no runner watches, the run is done with this."""
        if results:
            self.save_results(results)
        record = read_json(self.run.provenance)
        write_json_atomic(self.run.provenance, {**record, "device": device()})
        if self._status is not None:
            self._status.end("done")
        self.close()
        return Results(read_json(self.run.results))

    def watch(self) -> None:
        """Note in status.json when a cell fails or the kernel ends before `finish`; only where no runner does."""
        atexit.register(self.close, "the kernel ended before run.finish()")
        if (shell := _shell()) is not None:
            shell.events.register("post_run_cell", self._after_cell)

    def close(self, cause: str = "begin() was called again") -> None:
        """Let go of the run: the lock and the hooks. A run that is not done becomes interrupted."""
        if self._lock is None or self._status is None:
            return
        if self._status.data["state"] == "running":
            self._status.end("interrupted", kind="interrupted", cause=cause)
        elif "ended" not in self._status.data:
            self._status.end(self._status.data["state"])
        if (shell := _shell()) is not None and self._after_cell in shell.events.callbacks["post_run_cell"]:
            shell.events.unregister("post_run_cell", self._after_cell)
        atexit.unregister(self.close)
        self._lock.release()
        _open.pop(self.folder, None)
        self._lock = None

    def _after_cell(self, result: Any) -> None:
        error = result.error_in_exec or result.error_before_exec
        if self._status is None or self._lock is None:
            return
        if error is not None:
            first = (str(error).splitlines() or [""])[0]
            stopped = isinstance(error, KeyboardInterrupt)
            state, kind = ("interrupted", "interrupted") if stopped else ("failed", "exception")
            self._status.write(state=state, kind=kind, cause=f"{type(error).__name__}: {first}".rstrip(": "))
        elif self._status.data["state"] != "running":
            # In JupyterLab the cell was corrected and run again.
            for name in ("kind", "cause"):
                self._status.data.pop(name, None)
            self._status.write(state="running")

    def __repr__(self) -> str:
        return f"<run {self.name} in {self.folder}>"

    def _repr_html_(self) -> str:
        return f"<p>Run <b>{escape(self.name)}</b>; what it leaves is in <code>{escape(str(self.folder))}</code></p>"


def _drop_torn_line(path: Path) -> None:
    """Cut the half line that a killed writer left, so that the next one starts on its own."""
    data = path.read_bytes() if path.exists() else b""
    if data and not data.endswith(b"\n"):
        write_bytes_atomic(path, data[: data.rfind(b"\n") + 1])


def _bool_array(name: str, mask: Any) -> Any:
    import numpy as np

    array = np.asarray(mask.cpu() if hasattr(mask, "cpu") else mask)
    if array.dtype != np.bool_:
        raise RunError(f"mask '{name}' must be a TokenMask, a MaskSet or bool with True = hidden, got {array.dtype}")
    return array


def _shell() -> Any:
    """The IPython shell this runs in, or None."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None
