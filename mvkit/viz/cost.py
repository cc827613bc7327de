"""What accuracy costs: one mark a run or method, cost on a logarithmic axis, and the line of those nobody beats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.legend import EDGE, MARKERS, Legend, chance_handle, handle
from mvkit.viz.scores import spread


@drawing()
def accuracy(
    points: Mapping[str, Any],
    *,
    cost: str = "CPU minutes",
    what: str = "accuracy",
    series: Mapping[str, str] | None = None,
    chance: float | None = None,
    log: bool = True,
    front: bool = True,
    venue: str = "cvpr-column",
) -> Drawn:
    """Accuracy against cost; a mark at the mean over seeds, bars from the lowest to the highest seed of either.

    points: label -> (S, 2): cost and accuracy of each seed. cost: its name with the unit (CPU minutes, GFLOPs, epochs).
    series: label -> method; labels of one method share colour and mark and are joined by a line. front: a grey line
    through the marks that no other beats in both. Raises ShapeError, also for a cost of 0 on a logarithmic axis.
    """
    for label, seeds in points.items():
        if seeds.ndim != 2 or seeds.shape[1] != 2 or not len(seeds) or (log and (seeds[:, 0] <= 0).any()):
            raise ShapeError(
                f"'{label}' must be (S, 2): cost above 0 and accuracy of each seed, got {seeds.shape} "
                f"{seeds[:1].tolist()}; log=False takes a cost of 0"
            )
    if not points:
        raise ShapeError("accuracy against cost needs label -> (S, 2), got nothing")
    groups: dict[str, list[str]] = {}
    for label in points:
        groups.setdefault((series or {}).get(label, label), []).append(label)
    best = pareto({label: seeds.mean(0) for label, seeds in points.items()})
    looks = {
        name: {"color": style.colour("encoder", name), "marker": MARKERS[number % len(MARKERS)], **EDGE}
        for number, name in enumerate(groups)
    }
    wide, high = style.width(venue), 1.65
    handles = [handle(name, str(look["color"]), marker=look["marker"], markersize=4.5, **EDGE)
               for name, look in looks.items()]  # fmt: skip
    lines = [handle("none better and cheaper", "0.55", linestyle="--", linewidth=0.9)] if front else []
    if any(len(seeds) > 1 for seeds in points.values()):
        lines.append(handle("lowest to highest seed", "0.35", linestyle="-", linewidth=0.8))
    key = Legend([*handles, *lines, *([chance_handle()] if chance is not None else [])], wide)
    tall = key.tall + 0.08 + high + 0.34
    fig = Figure(figsize=(wide, tall))
    key.put(fig)
    axes = fig.add_axes((0.44 / wide, 0.34 / tall, (wide - 0.54) / wide, high / tall))
    if front:
        axes.plot(*np.array([points[label].mean(0) for label in best]).T, color="0.55", linestyle="--", linewidth=0.9)
    for name, labels in groups.items():
        middle = np.array(sorted(points[label].mean(0).tolist() for label in labels))
        axes.plot(*middle.T, color=looks[name]["color"], linewidth=0.8)
        axes.plot(*middle.T, linestyle="", markersize=5, zorder=4, **looks[name])
        for label in labels:
            _bars(axes, points[label], str(looks[name]["color"]))
    if chance is not None:
        axes.axhline(chance, color="black", linestyle=":", linewidth=0.8)
    axes.set(xlabel=cost, ylabel=what)
    if log:
        _log(axes, np.concatenate([seeds[:, 0] for seeds in points.values()]))
    axes.margins(0.08)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    return Drawn(fig, _alt(points, best, cost, what))


def pareto(means: Mapping[str, Any]) -> list[str]:
    """Labels that no other beats, cheapest first: no other costs at most as much and is at least as accurate.

    means: label -> (cost, accuracy); of two equal ones the first stays.
    """
    kept: list[str] = []
    for label in sorted(means, key=lambda name: (means[name][0], -means[name][1])):
        if not kept or means[label][1] > means[kept[-1]][1]:
            kept.append(label)
    return kept


def _bars(axes: Any, seeds: np.ndarray, colour: str) -> None:
    if len(seeds) > 1:
        (x, y), (low_x, low_y), (high_x, high_y) = seeds.mean(0), seeds.min(0), seeds.max(0)
        axes.plot([low_x, high_x], [y, y], color=colour, linewidth=0.8, zorder=3)
        axes.plot([x, x], [low_y, high_y], color=colour, linewidth=0.8, zorder=3)
        axes.plot([x, x], [low_y, high_y], "_", color="black", markersize=4, markeredgewidth=0.6, zorder=3)


def _log(axes: Any, costs: np.ndarray) -> None:
    axes.set_xscale("log")
    subs = (1, 2, 5) if costs.max() / costs.min() < 100 else (1,)
    axes.xaxis.set(major_locator=LogLocator(subs=subs), major_formatter=StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _alt(points: Mapping[str, np.ndarray], best: list[str], cost: str, what: str) -> str:
    marks = [f"{label} {spread(seeds[:, 1])} at {seeds[:, 0].mean():.3g}" for label, seeds in points.items()]
    counts = sorted({len(seeds) for seeds in points.values()})
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return (
        f"{what} against {cost}, means of {many} seed{'s' * (counts[-1] > 1)}: {'; '.join(marks)}. "
        f"None better and cheaper: {', '.join(best)}."
    )
