"""A job as it goes: its curves, numbers and newest picture under the cell in JupyterLab, elsewhere a line now and then.

It draws when it is asked to, in the cell that asks: no thread or timer is left when the cell ends.
"""

from __future__ import annotations

import os
import time
from base64 import b64encode
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from mvkit.runs.explorer import TALL, panels_of, said, side_by_side
from mvkit.runs.folder import RunFolder
from mvkit.runs.listing import Row
from mvkit.runs.progress import Progress
from mvkit.runs.roster import WIDE, span
from mvkit.runs.shelf import Book, fitting
from mvkit.widgets.canvas import encode, stack
from mvkit.widgets.explorer import sentences
from mvkit.widgets.twin import open_in_jupyter

if TYPE_CHECKING:
    from mvkit.runs.job import Job

PACE, SHORTEST, LONGEST = 10, 1.0, 10.0  # a look is worth so many times its CPU time without one; seconds
NAMED = ("loss", "learning rate", "kNN")  # facts that need their name in a line
NEAR = 5  # lines of the journal whose speed is taken for now's


class Watching:
    """job: what is watched. `show` is called as long as it runs, then `end`."""

    def __init__(self, job: Job) -> None:
        self.job, self.spec = job, job.spec
        self._panel = _Panel(f"Training {self.spec.method}") if open_in_jupyter() else None
        self._line = Progress(job.folder.name)
        self._seen: Any = None

    def show(self, *, last: bool = False) -> float:
        """Show how it stands, if that is new; seconds until it is worth to look again."""
        # CPU time: where others keep the machine busy, a look takes long and costs the job nothing.
        began, journal = time.process_time(), self.job.folder / "metrics.jsonl"
        changed = journal.stat().st_mtime_ns if journal.exists() else 0, self.job.status.get("heartbeat")
        if last or changed != self._seen:
            self._seen = changed
            book = Book(Row.of(RunFolder(self.job.folder)))
            facts = self.facts(book)
            if self._panel:
                self._panel.show(drawn(book), facts)
            else:
                words = [f"{name} {text}" if name in NAMED else text for name, text in list(facts.items())[1:-1]]
                self._line.show("  ".join([*words, self.job.state] if last else words), keep=last)
        return min(LONGEST, max(SHORTEST, PACE * (time.process_time() - began)))

    def end(self, said: str = "") -> None:
        """The last state, which stays in the notebook without a kernel. said: under the picture, why it ends."""
        self.show(last=True)
        self._line.end()
        if self._panel:
            self._panel.keep(said)

    def facts(self, book: Book) -> dict[str, str]:
        """label -> text: how the job stands, the newest value of everything, and last where its words are."""
        status, now = self.job.status, _newest(book.lines)
        processes = status.get("processes", 1)
        count = f"{processes} processes" if processes > 1 else "1 process"
        told = {"job": f"{status['state']}, {count} started by process {status.get('pid')}"}
        if cause := status.get("cause"):
            told["job"] += f": {cause}"
        step = int(now.get("step", 0))
        left = self._left(book, step)
        told["progress"] = f"step {step} of {self.spec.steps}" + (f", {left} left" if left else "")
        if "loss" in now:
            parts = [f"{name.removeprefix('part/')} {now[name]:.4g}" for name in now if name.startswith("part/")]
            told["loss"] = f"{now['loss']:.4g}" + (f" ({', '.join(parts)})" if len(parts) > 1 else "")
            told["learning rate"] = f"{now['lr']:.3g}"
            told["speed"] = f"{_speed(book.lines):.3g} clips/s"
        if memory := status.get("memory_mb"):
            told["memory"] = f"{memory:,} MB" + (f", GPU {now['gpu_mb']:,.0f} MB" if "gpu_mb" in now else "")
        if scores := [f"{k.rpartition('/')[2]} {v:.3f}" for k, v in now.items() if k.startswith("monitor/")]:
            told["kNN"] = ", ".join(scores)
        return told | {"log": os.path.relpath(self.job.log)}

    def _left(self, book: Book, step: int) -> str:
        """Time to the end at the speed of now."""
        clips = (self.spec.steps - step) * self.spec.batch * self.spec.repeats
        return span(clips / speed) if clips and (speed := _speed(book.lines)) else ""


class _Panel:
    """The widget under the cell. What the notebook keeps of it, for who opens it without a kernel, is a PNG."""

    def __init__(self, title: str) -> None:
        from IPython.display import display

        from mvkit.widgets.picture import Picture

        self.picture, self.title = Picture(title=title), title
        self._shown = np.full((8, 8, 3), 255, np.uint8)
        self._handle: Any = display(*self._bundle(), raw=True, display_id=True)

    def show(self, picture: np.ndarray, facts: dict[str, str]) -> None:
        self._shown = picture
        self.picture.show(encode(picture), f"{self.title}. {sentences(facts)}", facts)

    def keep(self, said: str) -> None:
        self.picture.told = said
        self._handle.update(*self._bundle(), raw=True)

    def _bundle(self) -> tuple[dict[str, Any]]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.picture.model_id}
        png = b64encode(encode(self._shown, kind="png")).decode()
        return (
            {
                "text/plain": self.picture.alt or self.title,
                "image/png": png,
                "application/vnd.jupyter.widget-view+json": view,
            },
        )


def drawn(book: Book) -> np.ndarray:
    """The curves of a run and the newest picture it kept, (height, WIDE, 3) uint8."""
    rows = [side_by_side([panel.picture for panel in line]) for line in panels_of([book], book.steps[-1], True)]
    rows = rows or [said("no curve yet: the first line of the journal is to come")]
    if kept := book.picture(book.steps[-1]):
        picture = fitting(kept[1], (TALL, WIDE), kept[1].stat().st_mtime_ns)
        rows.append(stack([said(f"at step {kept[0]}"), picture], 2))
    return stack(rows)


def _newest(lines: list[dict[str, Any]]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for line in lines:
        known |= line
    return known


def _speed(lines: list[dict[str, Any]]) -> float:
    """Clips a second of late, 0 where no line says."""
    return median([line["clips_per_s"] for line in lines if "clips_per_s" in line][-NEAR:] or [0.0])
