"""What is in the data: sample clips as strips of frames, each with its labels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.film import chosen_steps
from mvkit.viz.strip import LETTER, Strip


@drawing(pictures=("clips",))
def strips(
    clips: Any, labels: Sequence[str] = (), *, frames: int = 4, across: int = 2, venue: str = "cvpr-full"
) -> Drawn:
    """Clips as strips of `frames` frames, `across` strips side by side, labels under each.

    clips: (K, 3, T, H, W) in [0, 1] or (K, T, H, W, 3) uint8. labels: one text a clip, or none. Raises ShapeError.
    """
    if clips.ndim != 5 or (labels and len(labels) != len(clips)):
        raise ShapeError(
            f"strips needs (K, T, H, W, 3) and a label for each clip, got {clips.shape}, {len(labels)} labels"
        )
    steps = chosen_steps(clips.shape[1], frames)
    across = min(across, len(clips))
    rows = -(-len(clips) // across)
    # Two lines hold the captions of the embedded set in a column; what is longer than that ends in dots.
    long = max(map(len, labels), default=0) > style.width(venue) / across / (LETTER * 0.9)
    sheet = Strip(
        rows, len(steps) * across, shape=clips.shape[2:4], venue=venue, groups=across,
        under=dict.fromkeys(range(rows), 1 + long) if labels else None, titles=0,
    )  # fmt: skip
    for number, clip in enumerate(clips):
        row, first = number // across, number % across * len(steps)
        for column, step in enumerate(steps):
            sheet.show(row, first + column, clip[step])
        if labels:
            lines = textwrap.wrap(labels[number], sheet.letters(len(steps)), max_lines=1 + long, placeholder=" ...")
            sheet.under(row, "\n".join(lines), column=first)
    words = "; ".join(labels) or "no labels"
    return Drawn(sheet.fig, f"{len(clips)} clips, {len(steps)} frames of each. {words}.")
