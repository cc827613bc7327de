"""A training as it goes: one line of text under the cell, rewritten in place, kept with its last state."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any


class TrainingLine:
    """What `fit(..., progress=...)` calls with every journal line.

    steps: of the whole run, for the time that is left. of: what is trained, said first. then: called with the same
    line, `run.log` for instance. In a notebook the line is one output that changes; elsewhere it goes to standard
    error, rewritten on a terminal.
    """

    def __init__(self, steps: int, *, of: str = "", then: Callable[[Mapping[str, Any]], object] | None = None) -> None:
        self.steps, self.of, self.then = steps, of, then
        self._first: tuple[int, float] | None = None
        self._known: dict[str, float] = {}
        self._handle: Any = None

    def __call__(self, line: Mapping[str, Any]) -> None:
        self._known |= {key: value for key, value in line.items() if isinstance(value, int | float)}
        self._show(self.words())
        if self.then is not None:
            self.then(line)

    def words(self) -> str:
        """step 120/400   loss 0.0412   appearance 0.31   motion 0.22   51 clips/s   0:40 left"""
        step = int(self._known.get("step", 0))
        parts = [*filter(None, [self.of]), f"step {step}/{self.steps}"]
        if "loss" in self._known:
            parts.append(f"loss {self._known['loss']:.4g}")
        parts += [f"{k.rpartition('/')[2]} {v:.2f}" for k, v in self._known.items() if k.startswith("monitor/")]
        if "clips_per_s" in self._known:
            parts.append(f"{self._known['clips_per_s']:.0f} clips/s")
        now = time.monotonic()
        self._first = self._first or (step, now)
        if self._first[0] < step < self.steps:
            left = round((now - self._first[1]) / (step - self._first[0]) * (self.steps - step))
            parts.append(f"{left // 60}:{left % 60:02d} left")
        return "   ".join(parts)

    def _show(self, words: str) -> None:
        ipython = sys.modules.get("IPython")
        if ipython is None or ipython.get_ipython() is None:
            sys.stderr.write(f"\r{words}" if sys.stderr.isatty() else f"{words}\n")
            sys.stderr.flush()
            return
        from IPython.display import display

        if self._handle is None:
            self._handle = display({"text/plain": words}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": words}, raw=True)
