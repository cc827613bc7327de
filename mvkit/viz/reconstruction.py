"""Reconstructions beside what they must beat: clip, masked input, prediction, trivial baselines, error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.film import chosen_steps
from mvkit.viz.marks import enlarge, tint
from mvkit.viz.strip import Strip


@drawing(pictures=("clips", "rebuilt"))
def panels(
    clips: Any,
    hidden: Any,
    rebuilt: Mapping[str, Any],
    *,
    scores: Mapping[str, str] | None = None,
    error_of: str | None = None,
    names: list[str] | None = None,
    frames: int = 4,
    venue: str = "cvpr-full",
) -> Drawn:
    """Rows: clip, what the encoder saw, each of `rebuilt`, the error of one of them. Columns: frames of each clip.

    clips: (K, 3, T, H, W) in [0, 1] or uint8 frames. hidden: (K, t, h, w) bool. rebuilt: label -> clips of that shape,
    pasted on the visible pixels. scores: label -> text for the row's label ("18.2 dB"). error_of: whose mean absolute
    error over channels is mapped, hidden pixels only; None takes the first. names: a title for each clip.
    Raises ShapeError.
    """
    for label, values in rebuilt.items():
        if values.shape != clips.shape:
            raise ShapeError(f"'{label}' is {values.shape}, wanted the shape of the clips, {clips.shape}")
    if len(hidden) != len(clips) or clips.shape[1] % hidden.shape[1]:
        raise ShapeError(f"hidden {hidden.shape} must be (K, t, h, w) and divide clips {clips.shape}")
    count, length, height, wide = clips.shape[:4]
    tubelet = length // hidden.shape[1]
    steps = chosen_steps(length, frames)
    error_of = error_of or next(iter(rebuilt))
    labels = ["clip", "seen by the encoder", *rebuilt, f"error of {error_of}"]
    sheet = Strip(
        len(labels), len(steps) * count, shape=(height, wide), venue=venue, groups=count, labels=labels,
        notes=scores, bar=0.45, titles=2 if names else 0,
    )  # fmt: skip
    covered = _covered(hidden, tubelet, height, wide)
    error = np.abs(rebuilt[error_of].astype(np.float32) - clips).mean(-1) / 255
    top = max(float(np.quantile(error[covered], 0.99)), 1e-3) if covered.any() else 1.0
    error[~covered] = np.nan
    drawn = None
    for number in range(count):
        for column, step in enumerate(steps):
            at = number * len(steps) + column
            sheet.show(0, at, clips[number, step])
            sheet.show(1, at, tint(clips[number, step], covered[number, step], style.HIDDEN, 1.0))
            for row, values in enumerate(rebuilt.values(), start=2):
                sheet.show(row, at, values[number, step])
            axes = sheet.show(len(labels) - 1, at, error[number, step], cmap=style.MAPS["error"], vmin=0, vmax=top)
            drawn = axes.images[0]
        if names:
            sheet.title(number * len(steps), names[number], span=len(steps))
    for row in range(len(labels)):
        sheet.label(row)
    sheet.colour_bar(len(labels) - 1, len(labels) - 1, drawn, "error")
    return Drawn(sheet.fig, _alt(count, len(steps), labels, scores), {"error": (0.0, top)})


def _covered(hidden: np.ndarray, tubelet: int, height: int, width: int) -> np.ndarray:
    """hidden: (K, t, h, w) bool -> (K, T, H, W) bool."""
    tokens = hidden.repeat(tubelet, axis=1)
    return np.stack([[enlarge(frame, height, width) for frame in clip] for clip in tokens])


def _alt(count: int, frames: int, labels: list[str], scores: Mapping[str, str] | None) -> str:
    told = "; ".join(f"{label}: {text}" for label, text in (scores or {}).items())
    return f"{frames} frames of {count} clips in rows: {', '.join(labels)}." + (f" {told}." if told else "")
