"""Similarity across frames: where a token goes, and how alike the steps of a clip are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    venue: str = "cvpr-full",
) -> Drawn:
    """First row the clip with the query outlined, then cosine maps, the best match of each step outlined in white.

    clip: (3, T, H, W) in [0, 1] or uint8 frames. maps: label -> (t, h, w) cosines. query: (t, y, x). One symmetric
    colour scale for all rows, up to the 99th percentile of absolute values. Raises ShapeError.
    """
    grid = TokenGrid(*next(iter(maps.values())).shape)
    grid.index(*query)
    for label, values in maps.items():
        if values.shape != grid.shape or len(clip) % grid.t:
            raise ShapeError(f"map '{label}' is {values.shape}, wanted {grid.shape} dividing a clip {clip.shape}")
    tubelet = len(clip) // grid.t
    steps = chosen_steps(grid.t, columns)
    top = max(float(np.nanquantile(np.abs(np.stack(list(maps.values()))), 0.99)), 1e-3)
    labels = ["clip and query", *maps]
    sheet = Strip(len(labels), len(steps), shape=clip.shape[1:3], venue=venue, labels=labels, bar=0.53)
    for row in range(len(labels)):
        sheet.label(row)
    drawn = None
    for column, step in enumerate(steps):
        sheet.title(column, f"step {step + 1}" if column == 0 else f"{step + 1}")
        axes = sheet.show(0, column, clip[step * tubelet])
        if step == query[0]:
            outline(axes, grid, query[1], query[2])
        for row, part in enumerate(maps.values(), start=1):
            axes = sheet.show(row, column, part[step], cmap=style.MAPS["signed"], vmin=-top, vmax=top)
            drawn = axes.images[0]
            y, x = divmod(int(np.nanargmax(part[step])), grid.w)
            outline(axes, grid, y, x, colour=style.QUERY if step == query[0] else "white")
    sheet.colour_bar(1, len(maps), drawn, "cosine")
    return Drawn(sheet.fig, _told(maps, query, grid), {"cosine": (-top, top)})


@drawing()
def matrices(
    steps: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    roles: Mapping[str, str] | None = None,
    what: str = "cosine",
    venue: str = "cvpr-column",
) -> Drawn:
    """Step-by-step similarity matrices on one colour scale, and below them similarity against steps apart.

    steps: label -> (t, t) matrix. curves: label -> (t,), the lag curves, controls among them. roles: label of a
    curve -> role, for its colour. Raises ShapeError.
    """
    sizes = {values.shape for values in steps.values()}
    if len(sizes) != 1 or next(iter(sizes))[0] != next(iter(sizes))[1]:
        raise ShapeError(f"matrices must all be (t, t), got {sorted(sizes)}")
    everything = np.concatenate([values.ravel() for values in steps.values()])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    low = min(low, high - 1e-3)
    wide = style.width(venue)
    left, gap, bar, lag = 0.36, 0.12, 0.5, 1.15
    side = min((wide - left - bar - (len(steps) - 1) * gap) / len(steps), 1.5)
    used = left + len(steps) * side + (len(steps) - 1) * gap
    key = 0.14 * -(-len(curves) // 3) + 0.06  # rows of the legend
    tall = 0.17 + side + 0.38 + key + lag + 0.3
    fig = Figure(figsize=(wide, tall))
    axes, image = None, None
    for column, (label, values) in enumerate(steps.items()):
        box = ((left + column * (side + gap)) / wide, 1 - (0.17 + side) / tall, side / wide, side / tall)
        axes = fig.add_axes(box)
        image = _matrix(axes, values, label, low, high, first=column == 0)
    assert image is not None
    cax = fig.add_axes(((used + 0.06) / wide, 1 - (0.17 + side) / tall, 0.07 / wide, side / tall))
    fig.colorbar(image, cax=cax).outline.set_linewidth(0.3)  # type: ignore[operator]
    cax.set_ylabel(what, fontsize=6.5)
    cax.locator_params(axis="y", nbins=4)
    below = fig.add_axes((left / wide, 0.3 / tall, (wide - left - 0.05) / wide, lag / tall))
    _lags(below, curves, dict(roles or {}), what)
    return Drawn(fig, _alt(curves), {what: (low, high)})


def _matrix(axes: Axes, values: np.ndarray, label: str, low: float, high: float, *, first: bool) -> Any:
    t = len(values)
    image = axes.imshow(values, cmap=style.MAPS["similarity"], vmin=low, vmax=high, extent=(0.5, t + 0.5, t + 0.5, 0.5))
    ticks = range(1, t + 1, -(-t // 4))
    axes.set(xticks=ticks, yticks=ticks if first else [], title=label, xlabel="step")
    if first:
        axes.set_ylabel("step")
    axes.spines[:].set_visible(True)
    return image


def _lags(axes: Axes, curves: Mapping[str, np.ndarray], roles: dict[str, str], what: str) -> None:
    for (label, values), dash in zip(curves.items(), style.dashes(len(curves)), strict=True):
        shade = style.colour("role", roles.get(label, label))
        axes.plot(range(1, len(values)), values[1:], color=shade, linestyle=dash, marker="o", label=label)
    longest = max(len(values) for values in curves.values())
    axes.set(xlabel="steps apart", ylabel=f"mean {what}", xticks=range(1, max(2, longest)))
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0, columnspacing=1.2)
    axes.margins(x=0.04, y=0.15)


def _alt(curves: Mapping[str, np.ndarray]) -> str:
    ends = [
        f"{label} {values[1]:.2f} at one step apart, {values[-1]:.2f} at {len(values) - 1}"
        for label, values in curves.items()
        if len(values) > 1
    ]
    return "Similarity of the steps of a clip. " + "; ".join(ends) + "."


def _told(maps: Mapping[str, np.ndarray], query: Sequence[int], grid: TokenGrid) -> str:
    paths = []
    for label, part in maps.items():
        best = [divmod(int(np.nanargmax(step)), grid.w) for step in part]
        paths.append(f"{label} {' '.join(f'({y + 1},{x + 1})' for y, x in best)}")
    return (
        f"Cosine of the token at step {query[0] + 1}, row {query[1] + 1}, column {query[2] + 1} with all others; "
        f"best match in each step as (row,column): {'; '.join(paths)}."
    )
