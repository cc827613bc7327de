"""Commands for those who change notebooks: set up a clone, check what is to be committed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from mvkit.cli.options import AsJson, show

if TYPE_CHECKING:
    from mvkit.runs.lint import Problem


def init(as_json: AsJson = False) -> None:
    """Set up this clone: nbdime for git, notebooks stripped before a commit, what runs leave ignored.

    Says what it changed; a second call changes nothing. Exit code 1 where something is left to do by hand.

    Example: mvkit init
    """
    from mvkit.runs.clone import Step, init

    steps = list(init(Path.cwd()))
    show(steps, as_json, Step.line)
    raise typer.Exit(1 if any(step.repair for step in steps) else 0)


def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILES]", help="By default all in notebooks/.")] = None,
    run: Annotated[
        bool, typer.Option("--run", help="Run each from top to bottom too, in a folder of its own.")
    ] = False,
    parameter: Annotated[list[str] | None, typer.Option("-p", "--parameter", help="For --run: name=value.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check notebooks as they are committed; exit code 1 where something is wrong.

    One parameters cell with types and help, names for cells, no outputs, no absolute paths, no class, function or loop.

    Example: mvkit notebooks check notebooks/02_videomae.ipynb
    """
    from mvkit.runs.lint import Problem, check_notebook
    from mvkit.runs.notebook import notebooks_folder

    paths = files or sorted(notebooks_folder().glob("*.ipynb"))
    found = [problem for path in paths for problem in check_notebook(path)]
    if run:
        found += [problem for path in paths for problem in _run(path, parameter or [])]
    show(found, as_json, Problem.line)
    if not as_json:
        typer.echo(f"{len(paths)} notebooks, {len(found)} problems", err=True)
    raise typer.Exit(1 if found else 0)


def _run(path: Path, texts: list[str]) -> list[Problem]:
    """Run a notebook with those of the values that it has a parameter for."""
    from mvkit.runs import Parameters, given, run_notebook
    from mvkit.runs.lint import Problem

    declared = Parameters.read(path)
    values = {name: text for name, text in given.of_texts(texts).items() if name in declared}
    with TemporaryDirectory(prefix="mvkit-") as out:
        status = run_notebook(path, values, out=out).status
    if status["state"] == "done":
        return []
    return [Problem(path.name, status.get("cell_id", ""), f"{status['state']}: {status.get('cause')}")]
