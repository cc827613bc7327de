"""Measurements of a benchmark: bars with their spread, or curves of cost, one panel an axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.legend import EDGE, MARKERS, Legend, handle


@drawing()
def bars(
    values: Mapping[str, Mapping[str, Any]],
    *,
    what: str,
    line: float | None = None,
    line_label: str = "",
    venue: str = "cvpr-column",
) -> Drawn:
    """A bar for each measurement up to its median, a black line from the lowest to the highest of its rounds.

    values: group -> label -> (3,): median, lowest, highest. line: a value all are held against, dotted. Raises
    ShapeError.
    """
    rows = [(group, label, one) for group, inside in values.items() for label, one in inside.items()]
    if not rows or any(np.shape(one) != (3,) for _, _, one in rows):
        raise ShapeError("bars needs group -> label -> (3,): median, lowest and highest of a measurement")
    pitch, head = 0.15, 0.17  # inches of a bar, and of a group's name above its bars
    wide, right = style.width(venue), 0.36
    left = max(style.text_width(label, 6.5) for _, label, _ in rows) + 0.1
    named = [group for group in values if group]
    deep = len(rows) * pitch + len(named) * head + 0.04
    key = Legend([handle(line_label, "black", linestyle=":", linewidth=0.9)] if line is not None and line_label else [],
                 wide)  # fmt: skip
    tall = key.tall + 0.04 + deep + 0.33
    fig = Figure(figsize=(wide, tall))
    key.put(fig)
    axes = fig.add_axes((left / wide, 0.33 / tall, (wide - left - right) / wide, deep / tall))
    y, places = 0.02, []
    for number, (group, inside) in enumerate(values.items()):
        if group:
            axes.text(0, y + head * 0.6, group, transform=axes.get_yaxis_transform(), fontsize=6.5, fontweight="bold",
                      va="center")  # fmt: skip
            y += head
        for median, low, high in inside.values():
            middle = y + pitch / 2
            axes.barh(middle, median, height=0.1, color=style.OKABE_ITO[number % 6], edgecolor="black", linewidth=0.4)
            axes.plot([low, high], [middle, middle], color="black", linewidth=0.9, zorder=3)
            axes.annotate(f"{median:.3g}", (1.01, middle), xycoords=("axes fraction", "data"), va="center", fontsize=6)
            places.append(middle)
            y += pitch
    if line is not None:
        axes.axvline(line, color="black", linestyle=":", linewidth=0.9)
    axes.set(yticks=places, yticklabels=[label for _, label, _ in rows], ylim=(deep, 0), xlabel=what)
    axes.set_xlim(0, 1.05 * max(line or 0, *(float(one[2]) for _, _, one in rows)))
    axes.tick_params(axis="y", length=0)
    told = "; ".join(f"{group} {label}: {m:.3g} ({a:.3g} to {b:.3g})".strip() for group, label, (m, a, b) in rows)
    return Drawn(fig, f"{what}, median and range over rounds. {told}.")


@drawing()
def growth(
    panels: Mapping[str, Mapping[str, Any]], *, what: str = "a clip, relative to the least", venue: str = "cvpr-full"
) -> Drawn:
    """How costs grow along each axis: one panel an axis, one line a cost, each divided by its smallest value there.

    panels: axis -> {"values": (n,), cost: (n,), ...}. Raises ShapeError.
    """
    costs = list(dict.fromkeys(name for panel in panels.values() for name in panel if name != "values"))
    shapes = {np.shape(array) for panel in panels.values() for array in panel.values()}
    if not costs or any(len({np.shape(a) for a in panel.values()}) != 1 for panel in panels.values()) or () in shapes:
        raise ShapeError(f"growth needs axis -> values and costs of the same length, got shapes {sorted(shapes)}")
    wide, high = style.width(venue), 1.3
    looks = {name: {"color": style.OKABE_ITO[i], "marker": MARKERS[i], "linestyle": dash, **EDGE}
             for i, (name, dash) in enumerate(zip(costs, style.dashes(len(costs)), strict=True))}  # fmt: skip
    key = Legend([handle(name, look["color"], marker=look["marker"], linestyle=look["linestyle"], **EDGE)
                  for name, look in looks.items()], wide)  # fmt: skip
    tall = key.tall + 0.08 + high + 0.34
    fig = Figure(figsize=(wide, tall))
    key.put(fig)
    step = (wide - 0.42) / len(panels)
    for number, (axis, panel) in enumerate(panels.items()):
        axes = fig.add_axes(((0.42 + number * step) / wide, 0.34 / tall, (step - 0.3) / wide, high / tall))
        for name, look in looks.items():
            if name in panel:
                axes.plot(panel[name] / panel[name].min(), markersize=3.5, linewidth=0.9, **look)
        # One place a value, evenly: 0.9 and 0.95 would stand on each other.
        axes.set_xticks(range(len(panel["values"])), [f"{value:g}" for value in panel["values"]])
        axes.set(xlabel=axis)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        if number == 0:
            axes.set_ylabel(what)
    told = "; ".join(f"{axis} {panel['values'][0]:g} to {panel['values'][-1]:g}: " + ", ".join(
        f"{name} times {panel[name].max() / panel[name].min():.3g}" for name in panel if name != "values")
        for axis, panel in panels.items())  # fmt: skip
    return Drawn(fig, f"Costs of a training step as one thing grows. {told}.")
