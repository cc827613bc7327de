"""A clip over the steps of its grid: one column a step, the clip on top, one row for each map of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mvkit.errors import OptionError, ShapeError
from mvkit.tokens import TokenGrid
from mvkit.viz.strip import Strip


def film(
    clip: np.ndarray,
    maps: Mapping[str, np.ndarray],
    *,
    columns: int | None,
    first: str | None,
    wanted: int | None = None,
    **layout: Any,
) -> tuple[Strip, list[int]]:
    """A strip with a column for each step of the grid and a row for each of `maps`; returns it and the steps shown.

    columns: show only so many steps, `wanted` among them. clip: (T, H, W, 3). maps: label -> (t, h, w). first: the
    label of a row above them with the clip itself. layout: as `Strip` takes it. The strip has its titles and the row of
    the clip; labels and pictures of the maps are still to come. Raises OptionError without a map, ShapeError for maps
    of other grids.
    """
    if not maps:
        raise OptionError("nothing to draw: pass at least one map of shape (t, h, w) beside the clip")
    grid = grid_of(clip, maps)
    steps = chosen_steps(grid.t, columns, wanted)
    labels = [first, *maps] if first else list(maps)
    sheet = Strip(len(labels), len(steps), shape=clip.shape[1:3], labels=labels, **layout)
    for column, step in enumerate(steps):
        sheet.title(column, f"step {step + 1}" if column == 0 else f"{step + 1}")
        if first:
            sheet.show(0, column, clip[step * (len(clip) // grid.t)])
    if first:
        sheet.label(0)
    return sheet, steps


def grid_of(clip: np.ndarray, maps: Mapping[str, np.ndarray]) -> TokenGrid:
    """The one grid of all maps (t, h, w), which must divide the clip's frames. Raises ShapeError."""
    shape = next(iter(maps.values())).shape
    for label, values in maps.items():
        if len(shape) != 3 or values.shape != shape or len(clip) % shape[0]:
            raise ShapeError(f"'{label}' is {values.shape}, wanted {shape} as (t, h, w) dividing a clip {clip.shape}")
    return TokenGrid(*shape)


def chosen_steps(steps: int, columns: int | None, wanted: int | None = None) -> list[int]:
    """Which of `steps` to show in at most `columns` cells: evenly spread, first and last among them; `wanted` instead
    of the one next to it."""
    count = min(steps, columns or steps)
    chosen = sorted({round(i * (steps - 1) / max(1, count - 1)) for i in range(count)})
    if wanted is not None and wanted not in chosen:
        chosen[min(range(count), key=lambda i: (abs(chosen[i] - wanted), i in (0, count - 1)))] = wanted
    return chosen
