"""Commands around notebooks: run one, the demo, JupyterLab."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from mvkit.cli.options import AsJson, say, show

Force = Annotated[bool, typer.Option("--force", help="Run again from nothing, even if it is done.")]


class NotebookHelp(TyperCommand):
    """Help of `mvkit run NOTEBOOK` that ends with the notebook's own parameters."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--help" in args:
            asked = [arg for arg in args if arg != "--help"]
            ctx.meta["notebook"] = self.make_parser(ctx).parse_args(asked)[0].get("notebook")
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if not isinstance(notebook := ctx.meta.get("notebook"), str):
            return
        from mvkit.runs import Parameters
        from mvkit.runs.notebook import find_notebook

        path = find_notebook(notebook)
        rows = [(f"{p.name}: {p.kind} = {p.default!r}", p.help) for p in Parameters.read(path).values()]
        with formatter.section(f"Parameters of {path.name}, as -p name=value"):
            formatter.write_dl(rows or [("none", "")])


def run(
    notebook: Annotated[str, typer.Argument(help="Path, or name of a notebook in notebooks/; with --help, its own.")],
    parameter: Annotated[list[str] | None, typer.Option("-p", "--parameter", help="name=value; repeat it.")] = None,
    params: Annotated[Path | None, typer.Option(help="YAML or JSON file of name: value; -p goes before it.")] = None,
    out: Annotated[Path | None, typer.Option(help="Reports folder; by default reports/ of the project.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for the whole notebook.")] = None,
    cell_timeout: Annotated[float | None, typer.Option(help="Seconds for each cell.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run again what failed by an error of its own.")] = False,
    force: Force = False,
    parameters: Annotated[bool, typer.Option("--parameters", help="Only list the notebook's parameters.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a notebook headless: checked parameters, honest status, offline report.

    Values come from -p, else from the file of --params, else from variables MVKIT_PARAM_<name>, else from the
    notebook. Relative paths in parameters start at the project root, the folder above notebooks/. A run that is done
    or failed is shown; one that was stopped, killed or out of time goes on from its checkpoint.

    Exit codes: 0 done, 1 failed, 2 refused before a kernel starts, 3 another process works on the run, 4 the kernel
    died, 5 time limit, 6 out of memory, 7 the disk is full, 130 interrupted.

    Example: mvkit run 00_quickstart -p preset=quick -p seed=1
    """
    from mvkit.runs import given

    if parameters:
        _list_parameters(notebook, as_json)
    else:
        values = given.of_environment() | (given.of_file(params) if params else {}) | given.of_texts(parameter or [])
        limits = {"timeout": timeout, "cell_timeout": cell_timeout}
        _run(notebook, values, out=out, **limits, retry=retry, force=force, as_json=as_json)


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
        before = " before, not run again (--retry runs it)," if outcome.shown else ""
        say(f"mvkit: {status['state']}{before}{where}: {status.get('cause')}; see {folder.path}")
    raise typer.Exit(outcome.exit_code)


def _list_parameters(notebook: str, as_json: bool) -> None:
    from mvkit.runs import Parameters
    from mvkit.runs.notebook import find_notebook

    items = Parameters.read(find_notebook(notebook)).values()
    rows = [{"name": p.name, "type": str(p.kind), "default": p.default, "help": p.help} for p in items]
    show(rows if as_json else list(items), as_json, str)
