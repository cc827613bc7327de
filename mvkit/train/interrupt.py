"""Ctrl-C between two steps: the step in hand is finished and saved first.

A KeyboardInterrupt in the middle of an optimiser step would leave a state that is neither before nor after it.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupt:
    """While it is open, the first SIGINT only sets `asked`; a second one raises KeyboardInterrupt at once.

    Does nothing outside the main thread, where signals cannot be caught.
    """

    asked = False

    def __enter__(self) -> Interrupt:
        self._caught = threading.current_thread() is threading.main_thread()
        if self._caught:
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        if self._caught:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
