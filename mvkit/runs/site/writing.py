"""A site on disk: three pages, and beside them the reports and figures they show, so that the folder can be moved."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mvkit.errors import RunError
from mvkit.runs.account import Account
from mvkit.runs.files import read_json, write_bytes_atomic, write_json_atomic
from mvkit.runs.site.compare import compare, compared
from mvkit.runs.site.gallery import gallery, shown_figures
from mvkit.runs.site.overview import overview
from mvkit.runs.status import now
from mvkit.version import __version__

FIGURES = 12  # runs that each figure of a notebook is shown of


def write_site(runs: Sequence[Account], out: Path, *, metrics: Sequence[str] = (), figures: int = FIGURES) -> Path:
    """Write the site and give its first page. metrics: measures of the tables, by default the first six.

    An earlier site in `out` is replaced. Raises RunError where `out` holds anything else, or no run is given.
    """
    if not runs:
        raise RunError("no runs to report on; `mvkit demo` makes one")
    _make_room(out)
    made = now()
    write_json_atomic(out / "site.json", {"mvkit": __version__, "time": made, "runs": [run.name for run in runs]})
    links = {run.name: _put(run.folder.report, out, run) for run in runs if run.folder.report.is_file()}
    wanted = {(run.name, name): run for (_, name), those in shown_figures(runs, figures).items() for run in those}
    wanted |= {(run.name, name): run for run in compared(runs) for name in run.figures}
    pictures = {(name, figure): _put(run.figures[figure], out, run) for (name, figure), run in wanted.items()}
    pages = {
        "figures.html": gallery(runs, pictures, figures),
        "compare.html": compare(runs, pictures),
        "index.html": overview(runs, f"made {made.replace('T', ' ')[:16]} UTC", metrics=metrics, links=links),
    }
    for name, html in pages.items():
        write_bytes_atomic(out / name, html.encode())
    return out / "index.html"


def _make_room(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; give --out a folder")
    if out.is_dir() and any(out.iterdir()) and "runs" not in read_json(out / "site.json"):
        raise RunError(f"{out} holds something else than a site of mvkit; give --out a new folder")
    shutil.rmtree(out / "runs", ignore_errors=True)


def _put(file: Path, out: Path, run: Account) -> str:
    """A file of a run in the site, by its path there. A second name for the same bytes where the disk allows it."""
    place = Path("runs") / run.notebook / run.folder.path.name / file.name
    target = out / place
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(file.resolve(), target)
    except OSError:
        shutil.copyfile(file, target)
    return place.as_posix()
