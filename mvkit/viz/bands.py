"""Trainings over several seeds: the mean of each method as a line, what the seeds spread over as a band around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mvkit.errors import OptionError, RunError, ShapeError, unknown
from mvkit.viz import style
from mvkit.viz.curves import scale, smooth
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.legend import EDGE, MARKERS, Legend, chance_handle, handle

BANDS = {"range": "lowest to highest seed", "std": "one standard deviation"}
FEW = 12  # points of a curve that are few enough to have a mark each


@drawing()
def seeds(
    values: Mapping[str, Mapping[str, Any]],
    *,
    band: str = "range",
    chance: Mapping[str, float] | None = None,
    log: Sequence[str] = (),
    smoothing: float = 0.0,
    roles: Mapping[str, str] | None = None,
    venue: str = "cvpr-full",
) -> Drawn:
    """One panel a measure (loss, a part of it, an accuracy), in it one line a method with its band over seeds.

    values: measure -> method -> (n, 1 + S): the step, then one value for each of S seeds; `of_journals` makes it.
    band: of BANDS, printed in the figure; std is that of a sample (S - 1). chance: measure -> chance level, dotted.
    log: measures on a logarithmic axis. smoothing: share of a run over whose length every seed is averaged before
    anything else. roles: method's label -> role or method, for its colour. Raises OptionError, ShapeError.
    """
    if band not in BANDS:
        raise OptionError(unknown("band", band, BANDS))
    for measure, row in values.items():
        for label, points in row.items():
            if points.ndim != 2 or points.shape[1] < 2 or not len(points):
                raise ShapeError(f"{measure} of '{label}' must be (n, 1 + seeds): steps and values, got {points.shape}")
    labels = list(dict.fromkeys(label for row in values.values() for label in row))
    if not labels:
        raise ShapeError("seeds needs measure -> method -> (n, 1 + seeds), got nothing")
    looks = {
        label: {"color": style.colour("encoder", (roles or {}).get(label, label)), "linestyle": dash, "marker": marker}
        for label, dash, marker in zip(labels, style.dashes(len(labels)), MARKERS * len(labels), strict=False)
    }
    wide, gap, high, left = style.width(venue), 0.5, 1.05, 0.46
    across = min(len(values), max(1, int((wide - left + gap) // (1.25 + gap))))
    rows = -(-len(values) // across)
    across = -(-len(values) // rows)
    side = (wide - left - 0.08 - (across - 1) * gap) / across
    handles = [handle(label, look["color"], linestyle=look["linestyle"], marker=look["marker"], markersize=4, **EDGE)
               for label, look in looks.items()]  # fmt: skip
    key = Legend([*handles, *([chance_handle()] if chance else [])], wide)
    note = key.tall + 0.08
    tall = note + rows * (high + 0.2 + 0.17) + 0.17
    fig = Figure(figsize=(wide, tall))
    key.put(fig)
    fig.text(0.5, 1 - (key.tall - 0.03) / tall, _note(values, band, smoothing), ha="center", va="top", fontsize=6)
    for number, (measure, row) in enumerate(values.items()):
        at, column = divmod(number, across)
        x, y = left + column * (side + gap), note + at * (high + 0.37) + 0.2
        axes = fig.add_axes((x / wide, 1 - (y + high) / tall, side / wide, high / tall))
        axes.set_title(measure.replace("_", " "), loc="left")
        for label, points in row.items():
            _band(axes, _spread(points, band, smoothing), looks[label])
        if chance and measure in chance:
            axes.axhline(chance[measure], color="black", linestyle=":", linewidth=0.8)
        everything = np.concatenate([points[:, 1:].ravel() for points in row.values()])
        scale(axes, everything[np.isfinite(everything)], measure in log)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        axes.margins(x=0.02)
        if number + across >= len(values):
            axes.set_xlabel("optimiser step")
    return Drawn(fig, _alt(values, band, smoothing))


def _spread(points: np.ndarray, band: str, smoothing: float) -> tuple[np.ndarray, ...]:
    """steps, mean, lower and upper edge of the band."""
    steps, runs = points[:, 0], points[:, 1:].astype(np.float64)
    if smoothing:
        runs = np.stack([smooth(run, round(smoothing * len(run))) for run in runs.T], 1)
    mean = runs.mean(1)
    if band == "range" or runs.shape[1] == 1:
        return steps, mean, runs.min(1), runs.max(1)
    spread = runs.std(1, ddof=1)
    return steps, mean, mean - spread, mean + spread


def _band(axes: Axes, spread: tuple[np.ndarray, ...], look: dict[str, Any]) -> None:
    steps, mean, low, high = spread
    axes.fill_between(steps, low, high, color=look["color"], alpha=0.22, linewidth=0)
    marks: dict[str, Any] = look | EDGE if len(steps) <= FEW else look | {"marker": None}
    axes.plot(steps, mean, linewidth=1.2, **marks)


def _counts(values: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    counts = sorted({points.shape[1] - 1 for row in values.values() for points in row.values()})
    words = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{words} seed{'s' * (counts[-1] > 1)}"


def _note(values: Mapping[str, Mapping[str, np.ndarray]], band: str, smoothing: float) -> str:
    seeds = _counts(values)
    spread = "line: one seed, so no band" if seeds == "1 seed" else f"line: mean of {seeds}; band: {BANDS[band]}"
    return spread + (f"; each seed averaged over {smoothing:.0%} of the run" if smoothing else "")


def _alt(values: Mapping[str, Mapping[str, np.ndarray]], band: str, smoothing: float) -> str:
    told = []
    for measure, row in values.items():
        ends = []
        for label, points in row.items():
            _, mean, low, high = _spread(points, band, smoothing)
            ends.append(f"{label} from {mean[0]:.3g} to {mean[-1]:.3g} ({low[-1]:.3g} to {high[-1]:.3g})")
        told.append(f"{measure}: {', '.join(ends)}")
    return f"Training curves, {_note(values, band, smoothing)}. {'; '.join(told)}."


def of_journals(
    journals: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], names: Sequence[str] = ("loss",)
) -> dict[str, Any]:
    """Journals of several seeds as `seeds` takes them: `seeds(**of_journals({"MVD": [a.journal.lines, ...]}, [...]))`.

    names: keys of the journal: "loss", "part/direct", "monitor/motion". A step counts where every seed of a method has
    the value; a method without the value is left out of its panel. Raises RunError where nothing is left.
    """
    values: dict[str, dict[str, np.ndarray]] = {}
    for name in names:
        for label, runs in journals.items():
            found = [{line["step"]: line[name] for line in lines if name in line} for lines in runs]
            if not any(found):
                continue
            steps = sorted(set.intersection(*(set(one) for one in found)))
            if not steps:
                raise RunError(f"the {len(found)} runs of '{label}' share no step with '{name}': give runs of one spec")
            table = [[step, *(one[step] for one in found)] for step in steps]
            values.setdefault(name.rpartition("/")[2], {})[label] = np.array(table, np.float32)
    if not values:
        raise RunError(f"no journal has any of {list(names)}: train for at least one logged step")
    return {"values": values}
