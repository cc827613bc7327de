"""`mvkit`: a thin door. Rooms load inside the commands, so that `mvkit --help` waits for nothing.

Exit codes: 0 done, 1 something checked or run has failed, 2 wrong use or a refused input, 3 another process works on
the run, 4 the kernel died, 5 the time limit is over, 130 interrupted (it can be called again and goes on).
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mvkit.errors import MvkitError, OptionError

app = typer.Typer(
    name="mvkit",
    help="Masked video modelling: masks you can see, exact methods, notebooks that run headless.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data = typer.Typer(help="List, make, check and re-encode data sets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data, name="data")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for programs.")]


@app.callback()
def root(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    if debug:
        os.environ["MVKIT_DEBUG"] = "1"


@app.command()
def run(
    notebook: Annotated[str, typer.Argument(help="Path, or name of a notebook in notebooks/.")],
    parameter: Annotated[list[str] | None, typer.Option("-p", "--parameter", help="name=value; repeat it.")] = None,
    out: Annotated[Path | None, typer.Option(help="Reports folder; by default reports/ of the project.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for the whole notebook.")] = None,
    force: Annotated[bool, typer.Option(help="Run again from nothing, even if it is done.")] = False,
    parameters: Annotated[bool, typer.Option("--parameters", help="Only list the notebook's parameters.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a notebook headless: checked parameters, honest status, offline report.

    Example: mvkit run 00_quickstart -p steps=200 -p masker=tube
    """
    if parameters:
        _list_parameters(notebook, as_json)
    else:
        _run(notebook, _pairs(parameter or []), out=out, timeout=timeout, force=force, as_json=as_json)


@app.command()
def demo(
    video: Annotated[Path | None, typer.Option(help="Your own video; by default sample clips are made.")] = None,
    preset: Annotated[str, typer.Option(help="quick (under 3 minutes on 2 cores) or long (15 minutes).")] = "quick",
    force: Annotated[bool, typer.Option(help="Run again from nothing, even if it is done.")] = False,
    as_json: AsJson = False,
) -> None:
    """From video files to masks, a trained VideoMAE and a report.

    Example: mvkit demo --video holiday.mp4
    """
    if video is not None and not video.is_file():
        raise OptionError(f"--video {video}: no such file")
    chosen = {"preset": preset, "video": str(video.resolve()) if video else ""}
    _run("00_quickstart", chosen, force=force, as_json=as_json)


@app.command()
def lab(port: Annotated[int, typer.Option(help="Port on this machine; the next free one is taken.")] = 8888) -> None:
    """JupyterLab on notebooks/, for this machine only, with a token.

    Example: mvkit lab
    """
    from subprocess import call

    from mvkit.runs.notebook import notebooks_folder

    # Kernels of this environment go before those a user has installed under the same name.
    env = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
    options = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={notebooks_folder()}"]
    raise typer.Exit(call([sys.executable, "-m", "jupyterlab", *options], env=env))


@app.command()
def report(
    which: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Folder, or <notebook>[/<id>].")] = None,
    reports: Annotated[Path, typer.Option(help="The reports folder.")] = Path("reports"),
    show: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first, or show one run's report.

    Example: mvkit report 00_quickstart --open
    """
    from mvkit.runs.folder import find_runs
    from mvkit.runs.status import read_status

    found = [(folder, read_status(folder)) for folder in find_runs(reports, which)]
    rows = [{**status, "report": str(folder.report) if folder.report.exists() else None} for folder, status in found]
    if as_json:
        print(json.dumps(rows if which is None else rows[0], indent=2))
    for row in [] if as_json else rows if which is None else rows[:1]:
        print(
            f"{row['state']:<12} {row.get('started', ''):<26} {row['run']}  {row.get('cause') or row['report'] or ''}"
        )
    if show and rows and rows[0]["report"]:
        typer.launch(Path(rows[0]["report"]).as_uri())


@app.command()
def train(
    spec: Annotated[Path, typer.Argument(help="A JSON file with the fields of RunSpec.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted one goes on there.")],
) -> None:
    """Pre-train without a notebook; call it again to go on after an interruption.

    Example: mvkit train spec.json --out runs/tiny
    """
    from mvkit.train import RunSpec, fit

    fit(RunSpec.read(spec), out=out)


@app.command()
def parity(
    folder: Annotated[Path, typer.Argument(help="Folder of recordings, <kind>[_name].safetensors + .json.")],
    only: Annotated[str | None, typer.Option(help="Only recordings whose name starts with this.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare with recorded numbers of the official implementations; one line per group, exit code 1 on a failure.

    Example: mvkit parity ../shared/parity --only videomae
    """
    from dataclasses import asdict

    from mvkit.parity import check
    from mvkit.runs.files import jsonable

    passed = True
    for result in check(folder, only):
        passed &= result.passed
        print(
            json.dumps(jsonable({**asdict(result), "passed": result.passed})) if as_json else result.line(), flush=True
        )
    raise typer.Exit(0 if passed else 1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check this machine: each line says what was found and, if needed, what to do.

    Example: mvkit doctor
    """
    from mvkit.runs.doctor import checks

    results = []
    for result in checks():
        results.append(result)
        if not as_json:
            print(result.line(), flush=True)
    if as_json:
        print(json.dumps([result.record() for result in results], indent=2))
    raise typer.Exit(0 if all(result.ok for result in results) else 1)


@app.command()
def version() -> None:
    """The version of mvkit.

    Example: mvkit version
    """
    from mvkit.version import __version__

    print(__version__)


def main() -> None:
    """Entry point: errors in one line on stderr, exit codes as the module says."""
    sys.exit(call(sys.argv[1:]))


def call(arguments: list[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        return int(app(arguments, standalone_mode=False, prog_name="mvkit") or 0)
    except (KeyboardInterrupt, typer.Abort):
        print("mvkit: interrupted; the same command goes on from what is saved", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe (head, less) has seen enough; Python must not complain again on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as err:
        if os.environ.get("MVKIT_DEBUG"):
            raise
        usage = hasattr(err, "format_message")  # typer's own: an unknown option or command
        known = usage or isinstance(err, MvkitError)
        text = err.format_message() if usage else str(err) or type(err).__name__  # pyright: ignore
        kind = "" if known else f"{type(err).__name__}: "
        more = "" if known else " (unexpected; MVKIT_DEBUG=1 shows where)"
        print(f"mvkit: {kind}{' '.join(text.split())}{more}", file=sys.stderr)
        return getattr(err, "exit_code", 2) if known else 1


def _run(notebook: str, values: dict[str, Any], *, as_json: bool, **options: Any) -> None:
    from mvkit.runs import run_notebook

    outcome = run_notebook(notebook, values, command=["mvkit", *sys.argv[1:]], **options)
    status, folder = outcome.status, outcome.folder
    if as_json:
        paths = {"folder": str(folder.path), "report": str(folder.report) if folder.report.exists() else None}
        print(json.dumps({**status, **paths, "shown": outcome.shown, "exit_code": outcome.exit_code}, indent=2))
    elif outcome.done:
        print(f"done{' before, not run again (--force runs it)' if outcome.shown else ''}: {folder.report}")
    else:
        where = f" in cell {status['cell']} of {status.get('cells', '?')}" if status.get("cell") else ""
        print(f"mvkit: {status['state']}{where}: {status.get('cause')}; see {folder.path}", file=sys.stderr)
    raise typer.Exit(outcome.exit_code)


def _list_parameters(notebook: str, as_json: bool) -> None:
    from mvkit.runs import Parameters
    from mvkit.runs.notebook import find_notebook

    items = Parameters.read(find_notebook(notebook)).values()
    if as_json:
        rows = [{"name": p.name, "type": str(p.kind), "default": p.default, "help": p.help} for p in items]
        print(json.dumps(rows, indent=2))
    for item in [] if as_json else items:
        print(item)


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
