"""Teachers of a notebook, and what became of each: a line while one is trained, and a table of where they came from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mvkit.train import chain, presets
from mvkit.viz.live import TrainingLine


class Teaching:
    """Opens the teachers of the embedded chain, one call each, and says what it did.

    preset: their budget, of `presets.embedded`. root: the folder their runs lie in. then: called with each line of a
    training too; `run.log` lets a headless run show how far it is.

        taught = Teaching("quick")
        options = {"video_teacher": taught("videomae", given=video_teacher)}
        taught  # a table: teacher, how it came to be, seconds, where it is
    """

    def __init__(
        self, preset: str, *, root: Path = chain.TEACHERS, then: Callable[[Mapping[str, Any]], object] | None = None
    ) -> None:
        self.preset, self.root, self.then = preset, root, then
        self.rows: list[dict[str, Any]] = []

    def __call__(self, kind: str, given: str = "") -> str:
        """`given` as it is, or else "run:<folder>" of the embedded run of method `kind`, trained if it is not there."""
        if given:
            self.rows.append({"teacher": kind, "how": "given", "seconds": 0, "where": given})
            return given
        steps = presets.embedded(kind, self.preset).steps
        line, found = TrainingLine(steps, of=f"teacher {kind}", then=self.then), []

        def tell(name: str, news: Mapping[str, Any]) -> None:
            if "found" not in news:
                line(news)
            elif name == kind:  # and not a teacher of its own
                found.append(news)

        started = time.monotonic()
        folder = chain.teacher(kind, self.preset, root=self.root, tell=tell)
        how = "found" if found else f"trained, {steps} steps"
        seconds = round(time.monotonic() - started)
        self.rows.append({"teacher": kind, "how": how, "seconds": seconds, "where": f"run:{folder}"})
        return f"run:{folder}"

    def table(self) -> pd.DataFrame:
        """One row a teacher: how it came to be, seconds that took, where it is."""
        return pd.DataFrame(self.rows, columns=["teacher", "how", "seconds", "where"]).set_index("teacher")

    def __repr__(self) -> str:
        return self.table().to_string()

    def _repr_html_(self) -> str:
        return self.table().to_html()
