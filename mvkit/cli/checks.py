"""Commands that check: numbers against the official codes, this machine, the version."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mvkit.cli.options import AsJson


def parity(
    folder: Annotated[
        Path, typer.Argument(help="Folder of <kind>[_name].safetensors with .json, <kind>_aux[_name].json.")
    ],
    only: Annotated[str | None, typer.Option(help="Only recordings whose name starts with this.")] = None,
    as_table: Annotated[bool, typer.Option("--table", help="One row a recording instead, as Markdown.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare with recorded numbers of the official implementations; one line per group, exit code 1 on a failure.

    Example: mvkit parity tests/parity/recordings --only videomae
    """
    from dataclasses import asdict

    from mvkit.parity import check, table
    from mvkit.runs.files import jsonable

    results = []
    for result in check(folder, only):
        results.append(result)
        record = jsonable({**asdict(result), "passed": result.passed})
        if not as_table:
            typer.echo(json.dumps(record) if as_json else result.line())
    if as_table:
        typer.echo(table(results))
    passed = all(result.passed for result in results)
    raise typer.Exit(0 if passed else 1)


def doctor(as_json: AsJson = False) -> None:
    """Check this machine: each line says what was found and, if needed, what to do; exit code 1 on a failure.

    Example: mvkit doctor
    """
    from mvkit.runs.doctor import checks

    results = []
    for result in checks():
        results.append(result)
        if not as_json:
            typer.echo(result.line())
    if as_json:
        typer.echo(json.dumps([result.record() for result in results], indent=2))
    raise typer.Exit(0 if all(result.ok for result in results) else 1)


def version() -> None:
    """The version of mvkit.

    Example: mvkit version
    """
    from mvkit.version import __version__

    typer.echo(__version__)
