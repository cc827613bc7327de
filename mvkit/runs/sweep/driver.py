"""Carry out a plan: start what may start, follow it, try again what was killed, skip what has lost its input.

The driver remembers nothing that a second call would miss: how a run stands is in the run's own folder, and the lock
there decides who works on it. So it may be killed at any moment, and several may work on one plan.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mvkit.runs.progress import Progress
from mvkit.runs.status import EXIT, read_status
from mvkit.runs.sweep.place import Place
from mvkit.runs.sweep.plan import Plan
from mvkit.runs.sweep.standing import Standing, held_back, standings, state_of

_LOOK_SECONDS = 0.2
_ELSEWHERE_SECONDS = 2.0
_SHOWN = {
    "going": "running",
    "running": "running elsewhere",
    "open": "to start",
    "waiting": "waiting",
    "failed": "failed",
    "skipped": "skipped",
}
# Within one call a report that cannot be written or a full disk is not tried again: nothing will have changed.
_NOT_AGAIN = ("exception", "usage", "report", "disk")


class Driver:
    """retries: how often a run that was killed, timed out or ran out of memory starts again within this call.

    retry_failed: begin also with the runs that raised an error before.
    """

    def __init__(
        self, plan: Plan, place: Place, *, retries: int = 2, retry_failed: bool = False, progress: bool = True
    ) -> None:
        self.plan, self.place, self.retries, self.retry_failed = plan, place, retries, retry_failed
        self.stands = standings(plan, retry_failed=retry_failed)
        self.tries: Counter[str] = Counter()
        self.stopped = ""
        self._asked_to_stop = 0
        self._line = Progress(plan.name) if progress else None
        self._said: Counter[str] = Counter()
        self._looked = 0.0
        for name in place.going() & set(self.stands):
            self._set(name, "going")

    def run(self) -> dict[str, Standing]:
        """Until nothing is left to start or to wait for, or a signal comes; then how every run stands."""
        with self._listening():
            while not self._asked_to_stop:
                self._look()
                changed = self._start()
                self._show()
                if not changed and not any(one.state in ("going", "running") for one in self.stands.values()):
                    break
                time.sleep(_LOOK_SECONDS)
            if self._asked_to_stop:
                self.stopped = self.place.stop(now=False) or "interrupted"
            self._look()
        if self._line:
            self._line.end()
        return self.stands

    def _start(self) -> bool:
        """Start what there is room for; whether anything stands otherwise now, so that more may start."""
        room, chosen, changed = self.place.room, [], False
        for name, one in self.stands.items():
            if one.state in ("waiting", "open"):
                state, cause = held_back([self.stands[need] for need in one.run.needs]) or ("open", one.cause)
                status = one.status
                if state == "open" and len(chosen) < room:
                    # Another sweep may have done it, or be at it, since the last look.
                    status = read_status(one.run.folder)
                    state, cause = state_of(status, retry_failed=self.retry_failed)
                    if state == "open":
                        chosen.append(one.run)
                if (state, cause) != (one.state, one.cause):
                    changed = True
                    self._set(name, state, cause, status)
        if chosen:
            self.place.start(chosen)
        for run in chosen:
            self.tries[run.name] += 1
            self._set(run.name, "going")
        return changed

    def _look(self) -> None:
        for name, code in self.place.ended().items():
            if code == EXIT["busy"]:
                self.tries[name] -= 1
                self._set(name, "running")  # another sweep was quicker; its status may not be written yet
            else:
                self._settle(name, refused=code == EXIT["usage"])
        if time.monotonic() - self._looked >= _ELSEWHERE_SECONDS:
            self._looked = time.monotonic()
            for name in [name for name, one in self.stands.items() if one.state == "running"]:
                status = read_status(self.stands[name].run.folder)
                self._set(name, *state_of(status, retry_failed=False), status)

    def _settle(self, name: str, *, refused: bool) -> None:
        """Say how a run stands whose process has ended; refused: before it began, so its status is an older one."""
        run = self.stands[name].run
        status = read_status(run.folder)
        state, cause = state_of(status)
        if state == "open" and not self._asked_to_stop:
            if refused or status["state"] == "missing":
                state, cause = "failed", f"it did not start: {self.place.last_words(name) or 'no word from it'}"
            elif status.get("kind") in _NOT_AGAIN or self.tries[name] > self.retries:
                state, cause = "failed", f"{cause} (tried {self.tries[name]} times)" if self.tries[name] > 1 else cause
        self._set(name, state, cause, status)

    def _set(self, name: str, state: str, cause: str = "", status: Any = None) -> None:
        one = self.stands[name]
        self.stands[name] = Standing(one.run, state, cause, status or one.status)

    def _show(self) -> None:
        if not self._line:
            return
        count = Counter(one.state for one in self.stands.values())
        rest = {words: count[state] for state, words in _SHOWN.items() if count[state]}
        self._line.show(f"{count['done']}/{len(self.stands)} done", rest, keep=count != self._said)
        self._said = count

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM and a closed terminal ask to stop; a second one stops the runs at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # What is ignored was ignored on purpose: nohup does that to SIGHUP.
        names = [one for one in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, one)]
        numbers = [n for n in (getattr(signal, one) for one in names) if signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, *_: object) -> None:
        self._asked_to_stop += 1
        if self._asked_to_stop == 2:
            self.place.stop(now=True)
