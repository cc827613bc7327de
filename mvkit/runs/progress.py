"""One live line on the terminal: how far, for how long, and the newest numbers."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from mvkit.runs.files import read_json, read_tail

_SHOWN = 5  # numbers that fit beside the rest on 80 columns
_QUIET_SECONDS = 15.0  # a file hears of new numbers no oftener


class Progress:
    """Rewrites one line on a terminal; into a file or a pipe it writes whole lines, and fewer of them."""

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self.name, self.stream = name, stream or sys.stderr
        self.began = time.monotonic()
        self.live = self.stream.isatty()
        self._width = 0
        self._said: tuple[float, str, list[str]] = (self.began, "", [])
        self._gone = False

    def show(self, place: str, numbers: Mapping[str, Any] | None = None, *, keep: bool = True) -> None:
        """place: such as "cell 3/7". keep: whether this line is worth one in a file, however soon it comes."""
        seconds = int(time.monotonic() - self.began)
        shown = [f"{key} {_short(value)}" for key, value in (numbers or {}).items() if key != "seconds"][:_SHOWN]
        line = "  ".join([self.name, place, f"{seconds // 60}:{seconds % 60:02d}", *shown])
        if self.live:
            self._write("\r" + line.ljust(self._width))
            self._width = len(line)
        elif keep or (time.monotonic() - self._said[0] >= _QUIET_SECONDS and (place, shown) != self._said[1:]):
            self._write(line + "\n")
            self._said = (time.monotonic(), place, shown)

    def end(self) -> None:
        """Leave the live line so that what follows starts on its own."""
        if self.live and self._width:
            self._write("\n")
            self._width = 0

    def _write(self, text: str) -> None:
        if self._gone:
            return
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):  # the terminal was closed; the run goes on without an audience
            self._gone = True


def training(folder: Path, since: float = 0.0) -> tuple[str, dict[str, Any]]:
    """("step 400/2400", {"loss": 0.031, ...}) of the training that goes on in a run's folder, ("", {}) where none does.

    It is the one whose journal was written last, if that was after `since` (seconds of time.time()); the number of all
    steps is in the spec.json beside it.
    """
    # Not rglob: checkpoints are renamed and removed meanwhile, and it would stumble over them.
    patterns = ("metrics.jsonl", "*/metrics.jsonl", "*/*/metrics.jsonl")
    journals = {path: path.stat().st_mtime for pattern in patterns for path in folder.glob(pattern)}
    newest = max(journals, key=lambda path: journals[path], default=None)
    if newest is None or journals[newest] < since:
        return "", {}
    known: dict[str, Any] = {}
    for line in read_tail(newest):
        known |= line
    steps = read_json(newest.with_name("spec.json")).get("steps")
    place = f"step {known['step']}" + (f"/{steps}" if steps else "") if "step" in known else ""
    inner = ("step", "seconds", "lr", "grad_norm")
    names = sorted((n for n in known if n not in inner and not n.startswith("part/")), key=lambda name: name != "loss")
    return place, {name.removeprefix("monitor/"): known[name] for name in names}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:24]
