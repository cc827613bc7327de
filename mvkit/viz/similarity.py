"""Similarity across frames: where a token goes, and how alike the steps of a clip are."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mvkit.errors import ShapeError
from mvkit.tokens import TokenGrid
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.film import film
from mvkit.viz.lags import together
from mvkit.viz.marks import outline
from mvkit.viz.strip import colour_bar

SCALES = {True: "signed", False: "similarity"}  # of `style.MAPS`, for signed cosines and others


@drawing(pictures=("clip",))
def query_maps(
    clip: Any,
    maps: Mapping[str, Any],
    query: Sequence[int],
    *,
    shared: bool = True,
    signed: bool = True,
    columns: int | None = None,
    venue: str = "cvpr-full",
) -> Drawn:
    """First row the clip with the query outlined, then cosine maps, the best match of each step outlined in white.

    clip: (3, T, H, W) in [0, 1] or uint8 frames. maps: label -> (t, h, w) cosines; maps of one t may have h and w of
    their own. query: (t, y, x) on the grid of the first map. shared, signed: as `colour_limits`. Raises ShapeError.
    """
    steps_of = {label: part[:, :1, :1] for label, part in maps.items()}  # columns are steps, whatever a map's h and w
    sheet, steps = film(clip, steps_of, columns=columns, first="clip and query", wanted=query[0], venue=venue, bar=0.53)
    first = TokenGrid(*next(iter(maps.values())).shape)
    first.index(*query)
    limits = colour_limits(maps, shared=shared, signed=signed)
    drawn = None
    if query[0] in steps:
        outline(sheet.column_axes(steps.index(query[0]))[0], first, query[1], query[2])
    for row, (label, part) in enumerate(maps.items(), start=1):
        sheet.label(row)
        grid = TokenGrid(*part.shape)
        low, high = limits[label]
        for column, step in enumerate(steps):
            axes = sheet.show(row, column, part[step], cmap=style.MAPS[SCALES[signed]], vmin=low, vmax=high)
            drawn = axes.images[0]
            if np.isnan(part[step]).all():
                continue  # every token of the step is hidden: there is no best match to mark
            y, x = divmod(int(np.nanargmax(part[step])), grid.w)
            outline(axes, grid, y, x, colour=style.QUERY if step == query[0] else "white")
        if not shared:
            sheet.colour_bar(row, row, drawn, "cosine")
    if shared:
        sheet.colour_bar(1, len(maps), drawn, "cosine")
    told = {"cosine": next(iter(limits.values()))} if shared else limits
    return Drawn(sheet.fig, _told(maps, query), told)


def colour_limits(
    maps: Mapping[str, Any], *, shared: bool = True, signed: bool = True
) -> dict[str, tuple[float, float]]:
    """label -> the values (low, high) at the ends of its colours.

    shared: one scale for all maps, else each its own. signed: symmetric about 0, up to the 99th percentile of absolute
    values, for centred features; else from the 1st percentile to the largest value, for raw ones, which are all nearly
    alike. NaN do not count.
    """
    together = np.concatenate([part.ravel() for part in maps.values()])
    found = {}
    for label, part in maps.items():
        values = together if shared else part.ravel()
        if signed:
            top = max(float(np.nanquantile(np.abs(values), 0.99)), 1e-3)
            found[label] = (-top, top)
        else:
            high = float(np.nanmax(values))
            found[label] = (min(float(np.nanquantile(values, 0.01)), high - 1e-3), high)
    return found


@drawing()
def matrices(
    steps: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    static: Mapping[str, Any] | None = None,
    static_curves: Mapping[str, Any] | None = None,
    roles: Mapping[str, str] | None = None,
    what: str = "cosine",
    venue: str = "cvpr-column",
) -> Drawn:
    """Step-by-step similarity matrices on one colour scale, and below them similarity against steps apart.

    steps: label -> (t, t) matrix, one column each. static: label -> the same of a static clip, in a second row under
    the encoder of that label. curves, static_curves: label -> (t,), the lag curves, controls among them; static ones
    are dotted, in the colour of their label. roles: label -> role or method, for its colour. Raises ShapeError.
    """
    static, static_curves, roles = dict(static or {}), dict(static_curves or {}), dict(roles or {})
    sizes = {values.shape for values in [*steps.values(), *static.values()]}
    if len(sizes) != 1 or len(set(next(iter(sizes)))) != 1 or set(static) - set(steps):
        raise ShapeError(f"matrices must all be (t, t), static ones of encoders in {list(steps)}, got {sorted(sizes)}")
    everything = np.concatenate([values.ravel() for values in [*steps.values(), *static.values()]])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    low = min(low, high - 1e-3)
    wide, left, gap, bar, lag = style.width(venue), 0.5, 0.12, 0.55, 1.15
    side = min((wide - left - bar - (len(steps) - 1) * gap) / len(steps), 1.2)
    titles = [textwrap.fill(label, max(6, int(side / 0.06)), break_long_words=False) for label in steps]
    top = 0.06 + 0.11 * max(title.count("\n") + 1 for title in titles)
    shown = [("clip", steps), *([("static clip", static)] if static else [])]
    under = top + len(shown) * (side + 0.06)  # the lower edge of the matrices
    key = 0.13 * -(-(len(curves) + bool(static_curves)) // 3) + 0.06
    tall = under + 0.36 + key + lag + 0.3
    fig = Figure(figsize=(wide, tall))
    image: Any = None
    for row, (name, group) in enumerate(shown):
        for column, label in enumerate(steps):
            if label not in group:
                continue
            y = top + row * (side + 0.06)
            axes = fig.add_axes(
                ((left + column * (side + gap)) / wide, 1 - (y + side) / tall, side / wide, side / tall)
            )
            image = _matrix(axes, group[label], low, high)
            axes.tick_params(labelleft=column == 0, labelbottom=row == len(shown) - 1)
            axes.set(title="" if row else titles[column], xlabel="step" if row == len(shown) - 1 else "")
            if column == 0:
                axes.set_ylabel(f"{name}\nstep" if static else "step")
    used = left + len(steps) * (side + gap) - gap
    colour_bar(fig, image, ((used + 0.06) / wide, 1 - (top + side) / tall, 0.07 / wide, side / tall), what)
    below = fig.add_axes((left / wide, 0.3 / tall, (wide - left - 0.05) / wide, lag / tall))
    together(below, curves, static_curves, roles, what)
    return Drawn(fig, _alt(curves, static_curves), {what: (low, high)})


def of_matrices(matrices: Mapping[str, Any], *, static: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Means over clips as `matrices` takes them: `matrices(**of_matrices({"student": frame_matrix(tokens, grid)}))`.

    matrices: label -> (B, t, t), of `inspect.similarity.frame_matrix`. static: the same of static clips.
    """
    from mvkit.inspect.similarity import lag_curve  # torch, which redrawing must not need

    found = {}
    for key, group in (("steps", matrices), ("static", static or {})):
        found[key] = {label: matrix.mean(0) for label, matrix in group.items()}
        curves = "curves" if key == "steps" else "static_curves"
        found[curves] = {label: lag_curve(matrix).mean(0) for label, matrix in group.items()}
    return found


def _matrix(axes: Axes, values: np.ndarray, low: float, high: float) -> Any:
    t = len(values)
    image = axes.imshow(values, cmap=style.MAPS["similarity"], vmin=low, vmax=high, extent=(0.5, t + 0.5, t + 0.5, 0.5))
    axes.set(xticks=(ticks := range(1, t + 1, -(-t // 4))), yticks=ticks)
    axes.spines[:].set_visible(True)
    return image


def _alt(curves: Mapping[str, np.ndarray], static: Mapping[str, np.ndarray]) -> str:
    ends = [
        f"{label} {values[1]:.2f} at one step apart, {values[-1]:.2f} at {len(values) - 1}"
        for label, values in [
            *curves.items(),
            *((f"{label}, static clip,", values) for label, values in static.items()),
        ]
        if len(values) > 1
    ]
    return "Similarity of the steps of a clip. " + "; ".join(ends) + "."


def _told(maps: Mapping[str, np.ndarray], query: Sequence[int]) -> str:
    paths = []
    for label, part in maps.items():
        best = [None if np.isnan(step).all() else divmod(int(np.nanargmax(step)), part.shape[2]) for step in part]
        said = ("-" if place is None else f"({place[0] + 1},{place[1] + 1})" for place in best)
        paths.append(f"{label} {' '.join(said)}")
    return (
        f"Cosine of the token at step {query[0] + 1}, row {query[1] + 1}, column {query[2] + 1} with all others; "
        f"best match in each step as (row,column): {'; '.join(paths)}."
    )
