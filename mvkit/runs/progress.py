"""One live line on the terminal: how far, for how long, and the newest numbers."""

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

_SHOWN = 5  # numbers that fit beside the rest on 80 columns


class Progress:
    """Rewrites one line on a terminal; into a file or a pipe it writes whole lines, and fewer of them."""

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self.name, self.stream = name, stream or sys.stderr
        self.began = time.monotonic()
        self.live = self.stream.isatty()
        self._width = 0
        self._gone = False

    def show(self, place: str, numbers: Mapping[str, Any] | None = None, *, keep: bool = True) -> None:
        """place: such as "cell 3/7". keep: whether this line is worth one in a file."""
        seconds = int(time.monotonic() - self.began)
        shown = [f"{key} {_short(value)}" for key, value in (numbers or {}).items() if key != "seconds"][:_SHOWN]
        line = "  ".join([self.name, place, f"{seconds // 60}:{seconds % 60:02d}", *shown])
        if self.live:
            self._write("\r" + line.ljust(self._width))
            self._width = len(line)
        elif keep:
            self._write(line + "\n")

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


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:24]
