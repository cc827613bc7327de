"""One row a measure, in it a mark and its interval for each of several names, on one scale of scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mvkit.viz import style
from mvkit.viz.legend import EDGE, MARKERS, Legend, chance_handle, handle

_APART, _RIGHT, _BELOW = 0.115, 0.3, 0.31  # inches: between the lines of two names, for the numbers, for the axis


def rows(
    values: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    colour: Callable[[str], str],
    chance: Mapping[str, float] | None,
    what: str,
    venue: str,
    tick: Callable[[Axes, str, str, float], None] | None = None,
) -> Figure:
    """values: measure -> name -> mark, low end and high end. chance: measure -> a dotted line. tick: called with axes,
    measure, name and height to draw more on a line."""
    names = list(dict.fromkeys(name for row in values.values() for name in row))
    left, pitch = max(map(style.text_width, values)) + 0.15, len(names) * _APART + 0.1
    wide, high = style.width(venue), len(values) * pitch
    key = Legend([*handles(names, colour), *([chance_handle()] if chance else [])], wide)
    tall = key.tall + high + _BELOW
    fig = Figure(figsize=(wide, tall))
    key.put(fig)
    axes = fig.add_axes((left / wide, _BELOW / tall, (wide - left - _RIGHT) / wide, high / tall))
    for row, (measure, found) in enumerate(values.items()):
        axes.axhspan(row - 0.46, row + 0.46, color="0.955", linewidth=0, zorder=0)
        for number, name in enumerate(names):
            if name not in found:
                continue
            (value, low, up), y = found[name], row + (number - (len(names) - 1) / 2) * _APART / pitch
            look: dict[str, Any] = {"color": colour(name), "markersize": 4, "clip_on": False, **EDGE}
            axes.plot([low, up], [y, y], color=colour(name), linewidth=1.0, zorder=2)
            axes.plot(value, y, MARKERS[number % len(MARKERS)], zorder=4, **look)
            if tick is not None:
                tick(axes, measure, name, y)
            axes.annotate(f"{value:.2f}", (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=6)
        if chance and measure in chance:
            axes.plot([chance[measure]] * 2, [row - 0.46, row + 0.46], color="black", linestyle=":", linewidth=0.8)
    axes.set(yticks=range(len(values)), yticklabels=list(values), ylim=(len(values) - 0.5, -0.5), xlabel=what)
    axes.margins(x=0.08)
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0, pad=5)  # a mark at 0 stands half outside
    return fig


def handles(names: Sequence[str], colour: Callable[[str], str]) -> list[Any]:
    """Of a legend, each name with its colour and its mark."""
    return [
        handle(name, colour(name), marker=MARKERS[number % len(MARKERS)], markersize=4, **EDGE)
        for number, name in enumerate(names)
    ]
