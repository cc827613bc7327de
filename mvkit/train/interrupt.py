"""Stops between two steps: Ctrl-C, SIGTERM, and the end of the time that a scheduler gave.

The step in hand is finished and saved first: a stop in the middle of an optimiser step would leave a state that is
neither before nor after it.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType

REQUEUE = 75
"""Exit code of a command that saved and wants to be called again: EX_TEMPFAIL of sysexits.h."""

CAUSES = ("", "Ctrl-C", "SIGTERM", "the time limit")


class Requeue(KeyboardInterrupt):
    """Stopped from outside, saved, to be called again. A command ends with `REQUEUE`."""


class Interrupt:
    """While it is open, the first SIGINT or SIGTERM only sets `asked`; a second one raises KeyboardInterrupt at once.

    time_limit: seconds from now after which `asked` is set by itself; 0 for none.
    Hears no signals outside the main thread, where they cannot be caught.
    """

    def __init__(self, time_limit: float = 0.0) -> None:
        self.ends = time.monotonic() + time_limit if time_limit else float("inf")
        self._signalled = 0
        self._before: dict[int, object] = {}

    @property
    def asked(self) -> int:
        """Place of the cause in `CAUSES`; 0 while nobody asks."""
        return self._signalled or (3 if time.monotonic() >= self.ends else 0)

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]

    def _ask(self, number: int, frame: FrameType | None) -> None:
        # A job's agent repeats SIGTERM to hurry its processes; saving goes on.
        if self._signalled and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signalled = 2 if number == signal.SIGTERM else 1


def stopped(cause: int, step: int, kept: bool) -> KeyboardInterrupt:
    """What to raise after a step: Requeue for a stop from outside, else KeyboardInterrupt."""
    said = f"stopped after step {step} by {CAUSES[cause]}{', which is saved' if kept else ''}"
    return KeyboardInterrupt(said) if cause == 1 else Requeue(said)
