"""`mvkit`: a thin door. Rooms load inside the commands, so that `mvkit --help` waits for nothing.

Exit codes: 0 done, 1 something checked or run has failed, 2 wrong use or a refused input, 3 another process works on
the run, 4 the kernel died, 5 the time limit is over, 6 out of memory, 7 the disk is full, 75 training was saved,
130 interrupted (both can be called again and go on).
"""

import os
import sys
from typing import Annotated

import typer

from mvkit.cli import (
    benches,
    checks,
    clone,
    differences,
    evaluation,
    figures,
    notebooks,
    reports,
    sets,
    sweeps,
    training,
)
from mvkit.cli.options import say
from mvkit.errors import MvkitError

_PLAIN = {"no_args_is_help": True, "rich_markup_mode": None, "add_completion": False}

app = typer.Typer(
    name="mvkit",
    help="Masked video modelling: masks you can see, exact methods, notebooks that run headless.\n\n"
    "Example: mvkit demo",
    pretty_exceptions_enable=False,
    **_PLAIN,
)
for command in (notebooks.demo, notebooks.lab, notebooks.run, reports.report, training.train, checks.parity):
    app.command(cls={"run": notebooks.NotebookHelp, "train": training.SpecHelp}.get(command.__name__))(command)
data = typer.Typer(help="List, make, check and re-encode data sets.\n\nExample: mvkit data make --clips 640", **_PLAIN)
for name, command in (("list", sets.names), ("make", sets.make), ("audit", sets.audit), ("ingest", sets.ingest)):
    data.command(name)(command)
app.add_typer(data, name="data")
figure = typer.Typer(
    help="List saved figures, draw them again, export them for papers.\n\n"
    "Example: mvkit figure export 00_quickstart/masks --for cvpr --out paper",
    **_PLAIN,
)
for name, command in (("list", figures.names), ("rebuild", figures.rebuild), ("export", figures.export)):
    figure.command(name)(command)
app.add_typer(figure, name="figure")
bench = typer.Typer(help="Benchmarks of this machine.\n\nExample: mvkit bench step", **_PLAIN)
for command in (benches.step, benches.peer, benches.data, benches.growth, benches.masks, benches.scale, benches.ui):
    bench.command()(command)
app.add_typer(bench, name="bench")
tasks = typer.Typer(
    help="What a run is worth: tasks with metrics and controls.\n\nExample: mvkit eval retrieval runs/vl", **_PLAIN
)
for command in (evaluation.retrieval, evaluation.choice, evaluation.qa, evaluation.classify, evaluation.detection):
    tasks.command()(command)
app.add_typer(tasks, name="eval")
app.command()(sweeps.sweep)
app.command()(differences.diff)
books = typer.Typer(help="Check notebooks before they are committed.\n\nExample: mvkit notebooks check", **_PLAIN)
books.command("check")(clone.check)
books.callback()(lambda: None)  # keeps `check` a command of its own while it is the only one
app.add_typer(books, name="notebooks")
app.command()(clone.init)
app.command()(checks.doctor)
app.command()(checks.version)


@app.callback()
def root(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    if debug:
        os.environ["MVKIT_DEBUG"] = "1"


def main() -> None:
    """Entry point: errors in one line on stderr, exit codes as the module says."""
    sys.exit(call(sys.argv[1:]))


def call(arguments: list[str]) -> int:
    """Run one command line and give its exit code. Raises what went wrong only with --debug or MVKIT_DEBUG."""
    try:
        return int(app(arguments, standalone_mode=False, prog_name="mvkit") or 0)
    except (KeyboardInterrupt, typer.Abort):
        say("mvkit: interrupted; the same command goes on from what is saved")
        return 130
    except BrokenPipeError:
        # The reader of a pipe (head, less) has seen enough; Python must not complain again on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as err:
        if os.environ.get("MVKIT_DEBUG"):
            raise
        usage = getattr(err, "format_message", None)  # typer's own: an unknown option or command
        if usage is None and not isinstance(err, MvkitError):
            text = f"{type(err).__name__}: {err} (unexpected; MVKIT_DEBUG=1 shows where)"
            say(f"mvkit: {' '.join(text.split())}")
            return 1
        text = usage() if usage else str(err)
        say(f"mvkit: {' '.join(text.split())}")
        return getattr(err, "exit_code", 2)
