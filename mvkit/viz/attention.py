"""Attention of one token over the steps of a clip: one heat map per step, one row per layer, head or model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mvkit.errors import ShapeError
from mvkit.tokens import TokenGrid
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.strip import Strip, chosen_steps, outline


@drawing(pictures=("clip",))
def query_maps(
    clip: Any,
    maps: Mapping[str, Any],
    query: Sequence[int],
    *,
    columns: int | None = None,
    relative: bool = True,
    quantile: float = 0.995,
    venue: str = "cvpr-full",
) -> Drawn:
    """First row the clip with the query token outlined, then one row of heat maps for each of `maps`.

    clip: (3, T, H, W) in [0, 1] or uint8 frames. maps: label -> (t, h, w), NaN where hidden (drawn hatched). query:
    (t, y, x). relative: in multiples of uniform attention, so that maps over different numbers of tokens compare. All
    maps share one colour scale, from 0 to the given quantile of all values, so that one peak, often the query itself,
    does not turn the rest dark. Raises ShapeError.
    """
    grid = TokenGrid(*next(iter(maps.values())).shape)
    grid.index(*query)
    for label, values in maps.items():
        if values.shape != grid.shape or len(clip) % grid.t:
            raise ShapeError(f"map '{label}' is {values.shape}, wanted {grid.shape} dividing a clip {clip.shape}")
    tubelet = len(clip) // grid.t
    steps = chosen_steps(grid.t, columns)
    if relative:
        maps = {label: part * np.isfinite(part).sum() for label, part in maps.items()}
    values = np.stack(list(maps.values()))
    top = max(float(np.nanquantile(values, quantile)), 1e-9)
    labels = ["clip and query", *maps]
    sheet = Strip(len(labels), len(steps), shape=clip.shape[1:3], venue=venue, labels=labels, bar=0.5)
    for row in range(len(labels)):
        sheet.label(row)
    drawn = None
    for column, step in enumerate(steps):
        sheet.title(column, f"step {step + 1}" if column == 0 else f"{step + 1}")
        sheet.show(0, column, clip[step * tubelet])
        for row, part in enumerate(maps.values(), start=1):
            axes = sheet.show(row, column, part[step], cmap=style.MAPS["attention"], vmin=0, vmax=top)
            drawn = axes.images[0]
    if query[0] in steps:
        for axes in sheet.column_axes(steps.index(query[0])):
            outline(axes, grid, query[1], query[2])
    sheet.colour_bar(1, len(maps), drawn, "× uniform" if relative else "attention")
    return Drawn(sheet.fig, _alt(maps, query, grid), {"attention": (0.0, top)})


def _alt(maps: Mapping[str, np.ndarray], query: Sequence[int], grid: TokenGrid) -> str:
    shares = [f"{label}: {np.nansum(part[query[0]]) / np.nansum(part):.0%}" for label, part in maps.items()]
    return (
        f"Attention of the token at step {query[0] + 1}, row {query[1] + 1}, column {query[2] + 1} of a {grid}. "
        f"Share of it that stays in the query's own step: {', '.join(shares)}."
    )
