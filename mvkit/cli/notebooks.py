"""Commands around notebooks: run one, the demo, JupyterLab, the reports they leave."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mvkit.cli.options import AsJson, show
from mvkit.errors import OptionError

Force = Annotated[bool, typer.Option("--force", help="Run again from nothing, even if it is done.")]


def run(
    notebook: Annotated[str, typer.Argument(help="Path, or name of a notebook in notebooks/.")],
    parameter: Annotated[list[str] | None, typer.Option("-p", "--parameter", help="name=value; repeat it.")] = None,
    out: Annotated[Path | None, typer.Option(help="Reports folder; by default reports/ of the project.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for the whole notebook.")] = None,
    force: Force = False,
    parameters: Annotated[bool, typer.Option("--parameters", help="Only list the notebook's parameters.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a notebook headless: checked parameters, honest status, offline report.

    Relative paths in parameters start at the project root, the folder above notebooks/.

    Example: mvkit run 00_quickstart -p preset=quick -p seed=1
    """
    if parameters:
        _list_parameters(notebook, as_json)
    else:
        _run(notebook, _pairs(parameter or []), out=out, timeout=timeout, force=force, as_json=as_json)


def demo(
    video: Annotated[Path | None, typer.Option(help="Your own video; by default sample clips are made.")] = None,
    preset: Annotated[str, typer.Option(help="quick (3 minutes on 2 cores) or long (15 minutes).")] = "quick",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """From video files to masks, a trained VideoMAE and a report.

    Example: mvkit demo --video holiday.mp4
    """
    chosen = {"preset": preset, "video": str(video.resolve()) if video else ""}
    _run("00_quickstart", chosen, force=force, as_json=as_json)


def lab(
    port: Annotated[int, typer.Option(help="Port on this machine; the next free one is taken.")] = 8888,
    more: Annotated[list[str] | None, typer.Argument(metavar="[-- MORE]", help="Passed on to JupyterLab.")] = None,
) -> None:
    """JupyterLab on notebooks/, for this machine only, with a token.

    Example: mvkit lab -- --no-browser
    """
    from mvkit.runs.notebook import notebooks_folder

    options = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={notebooks_folder()}"]
    # Kernels of this environment go before those a user has installed under the same name.
    env = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
    # In place of this process: as its child, Jupyter would be killed on Ctrl-C before it has ended its kernels.
    os.execve(sys.executable, [sys.executable, "-m", "jupyterlab", *options, *(more or [])], env)


def report(
    which: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Folder, or <notebook>[/<id>].")] = None,
    reports: Annotated[Path | None, typer.Option(help="The reports folder; by default the project's.")] = None,
    in_browser: Annotated[bool, typer.Option("--open", help="Open the newest report in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first, with their reports.

    Example: mvkit report 00_quickstart --open
    """
    from mvkit.runs.folder import find_runs
    from mvkit.runs.notebook import notebooks_folder
    from mvkit.runs.status import read_status

    reports = reports or notebooks_folder().parent / "reports"
    found = [(folder, read_status(folder)) for folder in find_runs(reports, which)]
    rows = [{**status, "report": str(folder.report) if folder.report.exists() else None} for folder, status in found]

    def line(row: dict[str, Any]) -> str:
        end = "  ".join(part for part in (row.get("cause"), row["report"]) if part)
        return f"{row['state']:<12} {row.get('started', ''):<26} {row['run']}  {end}"

    show(rows, as_json, line)
    if not rows and not as_json:
        typer.echo(f"no runs in {reports.resolve()} yet; `mvkit demo` makes one")
    if in_browser and rows and rows[0]["report"]:
        typer.launch(Path(rows[0]["report"]).as_uri())


def _run(notebook: str, values: dict[str, Any], *, as_json: bool, **options: Any) -> None:
    from mvkit.runs import run_notebook

    outcome = run_notebook(notebook, values, command=["mvkit", *sys.argv[1:]], **options)
    status, folder = outcome.status, outcome.folder
    if as_json:
        paths = {"folder": str(folder.path), "report": str(folder.report) if folder.report.exists() else None}
        typer.echo(json.dumps({**status, **paths, "shown": outcome.shown, "exit_code": outcome.exit_code}, indent=2))
    elif outcome.done:
        typer.echo(f"done{' before, not run again (--force runs it)' if outcome.shown else ''}: {folder.report}")
    else:
        where = f" in cell {status['cell']} of {status.get('cells', '?')}" if status.get("cell") else ""
        typer.echo(f"mvkit: {status['state']}{where}: {status.get('cause')}; see {folder.path}", err=True)
    raise typer.Exit(outcome.exit_code)


def _list_parameters(notebook: str, as_json: bool) -> None:
    from mvkit.runs import Parameters
    from mvkit.runs.notebook import find_notebook

    items = Parameters.read(find_notebook(notebook)).values()
    rows = [{"name": p.name, "type": str(p.kind), "default": p.default, "help": p.help} for p in items]
    show(rows if as_json else list(items), as_json, str)


def _pairs(texts: list[str]) -> dict[str, str]:
    """`name=value` texts as a dict. Raises OptionError for a text without `=` and for a name given twice."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise OptionError(f"-p {text}: wanted name=value")
        if name.strip() in pairs:
            raise OptionError(f"-p {name.strip()} is given twice")
        pairs[name.strip()] = value
    return pairs
