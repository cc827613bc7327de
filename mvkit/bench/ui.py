"""How long a person waits for a picture: from the key that moves a slider to the new picture painted.

Measured inside the page of a real JupyterLab, by the browser's own clock: the key's time stamp, the slider's message,
the kernel's drawing, the bytes back, decoding and painting all count.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mvkit.bench.lab import Lab
from mvkit.errors import RunError

WARM = 5  # moves before any counts
PATIENCE = 20_000  # ms for one picture
WATCH = """() => {
  const times = [];
  let pressed = null;
  addEventListener('keydown', (event) => { pressed = event.timeStamp; }, true);
  new MutationObserver(() => {
    if (pressed !== null) times.push(performance.now() - pressed);
    pressed = null;
  }).observe(document.querySelector('.mvkit-picture'), { attributeFilter: ['data-version'] });
  window.mvkitTimes = times;
}"""


@dataclass(frozen=True)
class Wait:
    """Milliseconds from key to picture: median, p95 (95th percentile), each move; size of the picture; the machine."""

    notebook: str
    slider: str
    median_ms: float
    p95_ms: float
    moves_ms: list[float]
    picture: tuple[int, int]
    machine: dict[str, Any]

    def line(self) -> str:
        return (
            f"{self.notebook}, {self.slider}: median {self.median_ms:.0f} ms, 95th percentile {self.p95_ms:.0f} ms, "
            f"longest {max(self.moves_ms):.0f} ms of {len(self.moves_ms)} moves"
        )


def measure(
    notebook: Path, *, slider: str = "ratio", moves: int = 100, timeout: float = 300, out: Path | None = None
) -> Wait:
    """Run a notebook with an explorer in JupyterLab and move one of its sliders by keyboard, one step at a time.

    slider: its label. timeout: seconds for the notebook's cells. out: file for the result, as JSON. Raises RunError
    where there is no such slider, or no picture comes.
    """
    if moves < 2:
        raise RunError(f"moves must be at least 2 to have a 95th percentile, got {moves}")
    with Lab(notebook.parent) as lab:
        page = lab.open(notebook, timeout=timeout)
        handle = page.get_by_role("slider", name=slider, exact=True).first
        try:
            handle.wait_for(timeout=PATIENCE)
        except Exception as err:
            known = [one.get_attribute("aria-label") for one in page.get_by_role("slider").all()]
            raise RunError(f"{notebook.name} shows no slider '{slider}'; it shows: {known}") from err
        page.wait_for_function("document.querySelector('.mvkit-picture')?.dataset.version > 0", timeout=PATIENCE)
        handle.focus()
        page.evaluate(WATCH)
        low, now, high = (float(handle.get_attribute(f"aria-value{end}")) for end in ("min", "now", "max"))
        there, back = ("ArrowRight", "ArrowLeft") if now < (low + high) / 2 else ("ArrowLeft", "ArrowRight")
        for move in range(WARM + moves):
            page.keyboard.press(there if move // 4 % 2 == 0 else back)  # so that every move finds room
            page.wait_for_function("count => window.mvkitTimes.length > count", arg=move, timeout=PATIENCE)
        times = page.evaluate("window.mvkitTimes")[WARM:]
        size = page.evaluate("(({naturalWidth, naturalHeight}) => [naturalWidth, naturalHeight])"
                             "(document.querySelector('.mvkit-picture img'))")  # fmt: skip
        browser = f"{lab.browser}"
    p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
    found = Wait(notebook.stem, slider, statistics.median(times), p95, times, tuple(size), _machine(browser))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"bench": "ui", **asdict(found)}, indent=2) + "\n")
    return found


def _machine(browser: str) -> dict[str, Any]:
    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": [round(one, 2) for one in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "browser": browser,
        **{name: version(name) for name in ("jupyterlab", "ipywidgets", "anywidget")},
    }
