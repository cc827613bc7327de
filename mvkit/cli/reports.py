"""`mvkit report`: the runs there are, as a list or as a site."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mvkit.cli.options import AsJson, show


def report(
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Folder, <notebook>[/<id>], sweeps/<name>, or a reports folder."),
    ] = None,
    reports: Annotated[Path | None, typer.Option(help="The reports folder; by default the project's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write one offline site of these runs into this folder.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Measure in the site's tables; repeat it.")] = None,
    figures: Annotated[int, typer.Option(min=0, help="Runs that the site shows each figure of.")] = 12,
    in_browser: Annotated[
        bool, typer.Option("--open", help="Open the site, or the newest report, in the browser.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first, with their reports; with --out, make a site of them.

    The site filters, sorts, compares: means over seeds, figures side by side, failures and their causes, runs on the
    same clips. It needs no network, and the folder can be moved.

    Example: mvkit report 02_videomae 03_mvd --out site --open
    """
    from mvkit.runs.notebook import notebooks_folder
    from mvkit.runs.site.choice import choose

    reports = reports or notebooks_folder().parent / "reports"
    runs = choose(reports, which or [])
    if out is not None:
        from mvkit.runs.site.writing import write_site

        page = write_site(runs, out, metrics=metric or [], figures=figures)
        typer.echo(f"{len(runs)} runs: {page.resolve()}")
        if in_browser:
            typer.launch(page.resolve().as_uri())
        return
    begun = [run for run in runs if run.folder.status.exists()]
    rows = [{**run.status, "run": run.name, "report": _report(run.folder.report)} for run in begun]
    show(rows, as_json, _line)
    if not rows and not as_json:
        typer.echo(f"no runs in {reports.resolve()} yet; `mvkit demo` makes one")
    if in_browser and rows and rows[0]["report"]:
        typer.launch(Path(rows[0]["report"]).as_uri())


def _report(path: Path) -> str | None:
    return str(path) if path.exists() else None


def _line(row: dict[str, Any]) -> str:
    end = "  ".join(part for part in (row.get("cause"), row["report"]) if part)
    return f"{row['state']:<12} {row.get('started', ''):<26} {row['run']}  {end}"
