"""Features over the steps of a clip, as colours: alike features have alike colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, as_frames, drawing
from mvkit.viz.film import film, grid_of
from mvkit.viz.gif import Gif, gif
from mvkit.viz.strip import show_missing


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
    _check(maps)
    flat = {label: values[..., 0] for label, values in maps.items()}
    sheet, steps = film(clip, flat, columns=columns, first=first, venue=venue, notes=notes)
    for row, (label, values) in enumerate(maps.items(), start=1):
        sheet.label(row)
        there = np.isfinite(flat[label])
        seen = np.concatenate([np.nan_to_num(values), there[..., None]], axis=-1)
        for column, step in enumerate(steps):
            show_missing(sheet.show(row, column, seen[step]))
    told = ", ".join(label + (f" ({(notes or {})[label]})" if label in (notes or {}) else "") for label in maps)
    return Drawn(sheet.fig, f"{len(steps)} steps of a clip. Rows of features as colours: {told}.".replace("\n", ", "))


def animation(clip: Any, maps: Mapping[str, Any], *, first: str = "clip", side: int = 160, seconds: float = 0.3) -> Gif:
    """The same pictures side by side, one step after the other, as a GIF; the same input gives the same bytes.

    clip, maps, first: as `maps`; where there is no feature it is grey. side: pixels of a picture, about; seconds: how
    long a step is shown. Raises ShapeError.
    """
    colours = {label: np.asarray(values, np.float32) for label, values in maps.items()}
    _check(colours)
    frames = as_frames(clip)
    grid = grid_of(frames, {label: values[..., 0] for label, values in colours.items()})
    scale = max(1, round(side / max(grid.h, grid.w)))
    high, wide = grid.h * scale, grid.w * scale
    empty = np.float32(int(style.EMPTY[1:3], 16) / 255)
    rows = []
    for step in range(grid.t):
        frame = Image.fromarray(frames[step * (len(frames) // grid.t)]).resize((wide, high), Image.Resampling.BICUBIC)
        seen = [np.where(np.isfinite(values[step]), values[step], empty) for values in colours.values()]
        bytes_of = [(picture.clip(0, 1) * 255).round().astype(np.uint8) for picture in seen]
        rows.append([np.asarray(frame), *(picture.repeat(scale, 0).repeat(scale, 1) for picture in bytes_of)])
    alt = f"{grid.t} steps of a clip, one after the other; beside it features as colours: {', '.join(colours)}."
    return gif(rows, [first, *colours], alt=alt, seconds=seconds)


def _check(maps: Mapping[str, np.ndarray]) -> None:
    for label, values in maps.items():
        if values.ndim != 4 or values.shape[-1] != 3:
            raise ShapeError(f"'{label}' is {values.shape}, wanted colours (t, h, w, 3)")
