"""Where the runs of a sweep are carried out: on this machine (`local`) or by a cluster's queue (`cluster`)."""

from collections.abc import Iterable
from typing import Protocol

from mvkit.runs.sweep.plan import Planned


class Place(Protocol):
    """What the driver asks of a place; names are run names."""

    @property
    def room(self) -> int:
        """How many more runs may be started now."""
        ...

    def going(self) -> set[str]:
        """Runs under way, those included that an earlier call of the same sweep has left in a queue."""
        ...

    def start(self, runs: Iterable[Planned]) -> None:
        """Start these runs; at most `room` of them."""
        ...

    def ended(self) -> dict[str, int | None]:
        """Runs whose process or job has ended since the last call, with its exit code where that is known."""
        ...

    def stop(self, *, now: bool) -> str:
        """Let go: end what runs here, in order, or leave it in the queue; one line of what was done.

        now: what is still running after a first call ends without saving; returns at once.
        """
        ...

    def last_words(self, name: str) -> str:
        """The last line that the process of a run has written."""
        ...
