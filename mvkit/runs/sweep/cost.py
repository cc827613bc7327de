"""What the open runs of a plan will take, from how long done runs of the same notebooks took."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from mvkit.runs.folder import find_runs
from mvkit.runs.status import read_status
from mvkit.runs.sweep.plan import Planned

_NEWEST = 20  # done runs looked at; older ones were of older code


@dataclass(frozen=True)
class Cost:
    """runs of one notebook; seconds of one, the median of `of` done runs, None where none is done yet."""

    notebook: str
    runs: int
    seconds: float | None
    of: int

    def line(self) -> str:
        if self.seconds is None:
            return f"{self.notebook}: {self.runs} x unknown (no run of it is done yet)"
        return f"{self.notebook}: {self.runs} x {duration(self.seconds)} (median of {self.of} done runs)"


def costs(open_runs: Iterable[Planned], reports: Path) -> list[Cost]:
    """One Cost for each notebook that has open runs."""
    counts: dict[str, int] = {}
    for run in open_runs:
        counts[run.notebook.stem] = counts.get(run.notebook.stem, 0) + 1
    return [_cost(notebook, count, reports) for notebook, count in counts.items()]


def total(found: Iterable[Cost], jobs: int) -> float | None:
    """Seconds with `jobs` at a time, all of them busy; None where one notebook's cost is unknown."""
    each = [(cost.runs, cost.seconds) for cost in found]
    known = [runs * seconds for runs, seconds in each if seconds is not None]
    return sum(known) / jobs if len(known) == len(each) else None


def duration(seconds: float) -> str:
    """12 s, 3.4 min, 2.1 h."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _cost(notebook: str, count: int, reports: Path) -> Cost:
    took: list[float] = []
    for folder in find_runs(reports, notebook) if any(reports.glob(f"{notebook}/*/status.json")) else ():
        status = read_status(folder)
        if status["state"] == "done" and "seconds" in status:
            took.append(status["seconds"])
        if len(took) == _NEWEST:
            break
    return Cost(notebook, count, median(took) if took else None, len(took))
