"""What differs between two runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mvkit.cli.options import AsJson


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A run: its folder, or <notebook>[/<start of id>].")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another run.")],
    tolerance: Annotated[float, typer.Option(help="Relative, for numbers; 0.01 is one per cent.")] = 0.0,
    outputs: Annotated[bool, typer.Option("--outputs", help="Compare outputs of cells as well.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page as well: figures side by side, offline.")] = None,
    reports: Annotated[Path | None, typer.Option(help="The reports folder; by default the project's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Two runs compared: parameters, provenance, numbers, figures, notebooks; exit code 1 if a number is outside.

    Numbers are results.json and the last line of each metric; how fast a run was is left out.

    Example: mvkit diff 00_quickstart/3f2a 00_quickstart/9c41 --tolerance 0.01 --html difference.html
    """
    from mvkit.runs.diff import diff_runs
    from mvkit.runs.files import write_bytes_atomic
    from mvkit.runs.folder import find_runs
    from mvkit.runs.notebook import notebooks_folder

    home = reports or notebooks_folder().parent / "reports"
    found = diff_runs(find_runs(home, a)[0], find_runs(home, b)[0], tolerance=tolerance, outputs=outputs)
    if html is not None:
        from mvkit.runs.diff_page import diff_page

        write_bytes_atomic(html, diff_page(found).encode())
    if as_json:
        typer.echo(json.dumps(found.record(), indent=2))
    else:
        typer.echo(f"A {found.a.name}\nB {found.b.name}")
        changed = [row for row in found.figures if not row.agrees]
        rooms = {"parameters": found.parameters, "provenance": found.provenance, "other results": found.texts}
        for room, rows in {**rooms, "numbers": found.outside, "figures": changed}.items():
            typer.echo(f"{room}: {'differ' if rows else 'the same'}")
            for row in rows:
                typer.echo(f"  {row.line()}")
        typer.echo(f"notebook: {'differs' if found.notebook else 'the same'}\n{found.notebook}".rstrip())
        if html is not None:
            typer.echo(f"page: {html}")
    raise typer.Exit(1 if found.outside else 0)
