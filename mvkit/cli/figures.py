"""`mvkit figure`: what runs have drawn, drawn again from the data beside it, for a check or for a paper."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from mvkit.cli.options import AsJson, show
from mvkit.errors import MvkitError, OptionError

What = Annotated[
    str, typer.Argument(metavar="DIR|NAME", help="A folder, or a figure: its file, its name, or <run>/<name>.")
]
Reports = Annotated[Path | None, typer.Option(help="Where names are looked up; by default the project's reports/.")]


def names(
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="By default the project's reports/.")] = None,
    as_json: AsJson = False,
) -> None:
    """The saved figures below a folder, last saved first: what drew them, for which width, of which run.

    Example: mvkit figure list reports/00_quickstart
    """
    from mvkit.viz.saved import below, runs_of

    folder = folder or _reports(None)
    if not folder.is_dir():
        raise OptionError(f"{folder}: no such folder")
    rows = []
    for figure in below(folder):
        kept = figure.record
        said = {key: kept.get(key) for key in ("name", "function", "venue", "seed", "commit", "size_inches")}
        rows.append({**said, "runs": runs_of(kept), "path": str(figure.json)})

    def line(row: dict[str, Any]) -> str:
        wide, tall = row["size_inches"]
        run, seed = ",".join(row["runs"] or ["-"]), "-" if row["seed"] is None else row["seed"]
        drawn = f"{row['name']:<16} {row['function']:<22} {row['venue']:<13} {wide:5.2f} x {tall:5.2f} in"
        return f"{drawn}  seed {seed:<4} {(row['commit'] or '-')[:7]:<8} {run}"

    show(rows, as_json, line)
    if not rows and not as_json:
        typer.echo(f"no saved figures below {folder.resolve()} yet; `mvkit demo` makes some")


def rebuild(
    what: What,
    out: Annotated[Path | None, typer.Option(help="Write here; by default in place, where bytes are equal.")] = None,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """Draw figures again from their data alone; exit code 1 if any comes out with other bytes than were saved.

    In place, a picture that would differ is left as it is; --out keeps the new one elsewhere.

    Example: mvkit figure rebuild reports/00_quickstart/68b8f00974
    """
    from mvkit.viz.figure import rebuild as redraw

    figures, rows = _found(what, reports, out), []
    for figure in figures:
        again = redraw(figure.json, out)
        rows.append({"path": str(again.json), "same_bytes": again.same_bytes, "cause": again.cause})
        if as_json:
            continue
        typer.echo(f"{'same   ' if again.same_bytes else 'differs'}  {again.pdf}")
        if not again.same_bytes:
            typer.echo(f"mvkit: {figure.json}: other bytes than were saved: {again.cause}", err=True)
    show(rows if as_json else [], as_json, str)
    raise typer.Exit(0 if all(row["same_bytes"] for row in rows) else 1)


def export(
    what: What,
    kit: Annotated[str, typer.Option("--for", help="cvpr, iccv, neurips, icml, acm-mm or aaai.")],
    out: Annotated[Path, typer.Option(help="Folder for the PDF, its data and the LaTeX.")],
    width: Annotated[str, typer.Option(help="column or full; auto keeps what it was drawn for.")] = "auto",
    rename: Annotated[str | None, typer.Option("--as", help="Another name for the files and the label.")] = None,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """Draw figures for a paper at their final size, each with its LaTeX snippet; exit code 1 if any does not fit.

    Example: mvkit figure export 00_quickstart/masks --for cvpr --width full --out paper/figures
    """
    from mvkit.viz import latex, style

    style.venue(kit, width)
    figures, rows, refused = _found(what, reports, out), [], 0
    if rename and len(figures) > 1:
        raise OptionError(f"--as {rename} names one figure, '{what}' means {len(figures)}")
    for figure in figures:
        try:
            made = latex.export(figure, out, kit=kit, width=width, name=rename)
        except MvkitError as err:
            if len(figures) == 1:
                raise
            typer.echo(f"mvkit: {err}", err=True)
            refused += 1
            continue
        rows.append({"pdf": str(made.figure.pdf), "tex": str(made.tex), "venue": made.figure.record["venue"]})
        if not as_json:
            typer.echo(made.figure.pdf)
            typer.echo(made.tex)
    show(rows if as_json else [], as_json, str)
    raise typer.Exit(1 if refused else 0)


def _found(what: str, reports: Path | None, out: Path | None) -> list[Any]:
    """The figures meant. Raises OptionError where two of them would have the same files in `out`."""
    from mvkit.viz.saved import found

    figures = found(what, _reports(reports))
    twice = [name for name, count in Counter(figure.json.stem for figure in figures).items() if count > 1]
    if out is not None and twice:
        raise OptionError(f"'{what}' has several figures called {', '.join(sorted(twice))}; give one run at a time")
    return figures


def _reports(given: Path | None) -> Path:
    from mvkit.runs.notebook import notebooks_folder

    return given or notebooks_folder().parent / "reports"
