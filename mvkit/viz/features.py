"""Features over the steps of a clip, as colours: alike features have alike colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.film import film


@drawing(pictures=("clip",))
def maps(
    clip: Any,
    maps: Mapping[str, Any],
    *,
    notes: Mapping[str, str] | None = None,
    first: str = "clip",
    columns: int | None = None,
    venue: str = "cvpr-full",
) -> Drawn:
    """First row the first frame of each step, then one row of colours for each of `maps`.

    clip: (3, T, H, W) in [0, 1] or uint8 frames. maps: label -> (t, h, w, 3) in [0, 1], of
    `inspect.components.Components.colours`; NaN, where there is no feature, is drawn hatched. notes: label -> a small
    text under it. Raises ShapeError.
    """
    for label, values in maps.items():
        if values.ndim != 4 or values.shape[-1] != 3:
            raise ShapeError(f"'{label}' is {values.shape}, wanted colours (t, h, w, 3)")
    flat = {label: values[..., 0] for label, values in maps.items()}
    sheet, steps = film(clip, flat, columns=columns, first=first, venue=venue, notes=notes)
    for row, (label, values) in enumerate(maps.items(), start=1):
        sheet.label(row)
        there = np.isfinite(flat[label])
        seen = np.concatenate([np.nan_to_num(values), there[..., None]], axis=-1)
        for column, step in enumerate(steps):
            axes = sheet.show(row, column, seen[step])
            axes.patch.set(facecolor=style.EMPTY, hatch="//////", edgecolor="0.6", linewidth=0)
    told = ", ".join(label + (f" ({(notes or {})[label]})" if label in (notes or {}) else "") for label in maps)
    return Drawn(sheet.fig, f"{len(steps)} steps of a clip. Rows of features as colours: {told}.".replace("\n", ", "))
