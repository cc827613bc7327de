"""Frames against captions: which caption a frame is most like, as a network trained on both sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.strip import Strip


@drawing(pictures=("frames",))
def similarity(frames: Any, captions: Sequence[str], cosines: Any, *, venue: str = "cvpr-full") -> Drawn:
    """One column a frame, one row a caption, in each cell their cosine; the best caption of a frame is framed.

    frames: (K, 3, 1, H, W) in [0, 1] or (K, 1, H, W, 3) uint8. captions: C texts. cosines: (C, K). Raises ShapeError.
    """
    if frames.shape[1] != 1 or cosines.shape != (len(captions), len(frames)):
        raise ShapeError(
            f"cosines must be (captions, frames), here ({len(captions)}, {len(frames)}) of single frames, got "
            f"{cosines.shape} for frames {frames.shape}"
        )
    sheet = Strip(
        1 + len(captions), len(frames), shape=frames.shape[2:4], labels=["frame", *captions], venue=venue, bar=0.5
    )
    low, high = float(cosines.min()), max(float(cosines.max()), float(cosines.min()) + 1e-3)
    best = cosines.argmax(0)
    for row in range(1 + len(captions)):
        sheet.label(row)
    drawn = None
    for column, frame in enumerate(frames[:, 0]):
        sheet.title(column, f"{column + 1}")
        sheet.show(0, column, frame)
        for row, value in enumerate(cosines[:, column], start=1):
            axes = sheet.show(row, column, np.array([[value]]), cmap=style.MAPS["similarity"], vmin=low, vmax=high)
            drawn = axes.images[0]
            dark = value < (low + high) / 2
            axes.text(0.5, 0.5, f"{value:.2f}", ha="center", va="center", color="white" if dark else "black")
            if best[column] == row - 1:
                axes.spines[:].set(linewidth=1.5, edgecolor=style.VERMILION, zorder=5)
    sheet.colour_bar(1, len(captions), drawn, "cosine")
    told = "; ".join(
        f"frame {number + 1} is most like '{captions[at]}' ({cosines[at, number]:.2f})"
        for number, at in enumerate(best)
    )
    return Drawn(
        sheet.fig, f"Cosines of {len(frames)} frames with {len(captions)} captions: {told}.", {"cosine": (low, high)}
    )
