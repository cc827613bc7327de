"""Scores of a task beside its controls, each with its interval; the same against how many labels were learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.legend import EDGE, MARKERS, Legend, chance_handle
from mvkit.viz.rows import handles, rows

if TYPE_CHECKING:
    from mvkit.eval.outcome import Outcome
    from mvkit.inspect.evaluated import Evaluated

# What was shown, as `eval.outcome` says it, has one colour in every task: the clip that of what was trained.
_ROLES = {
    "clip": "trained", "one frame": "static", "untrained, clip": "untrained", "clip, words shuffled": "shuffled",
    "no clip": "pixels", "most frequent answer": "target",
}  # fmt: skip


@drawing()
def intervals(
    values: Mapping[str, Mapping[str, Any]],
    *,
    chance: Mapping[str, float] | None = None,
    what: str = "accuracy",
    venue: str = "cvpr-column",
) -> Drawn:
    """One band a measure, in it a mark and its interval for everything that was shown.

    values: measure -> what was shown -> (3,): the value and the ends of its interval, 0 to 1. chance: measure -> chance
    level, a dotted tick. Raises ShapeError.
    """
    _check(values)
    fig = rows(values, colour=_colour, chance=chance, what=what, venue=venue)
    told = "; ".join(f"{measure}: {_told(found)}" for measure, found in values.items())
    return Drawn(fig, f"Scores with intervals. {told}.")


@drawing()
def efficiency(
    values: Mapping[str, Mapping[str, Any]],
    *,
    chance: Mapping[str, float] | None = None,
    what: str = "accuracy",
    venue: str = "cvpr-full",
) -> Drawn:
    """One panel a measure: what is reached with so many labels of each class, with its interval.

    values: measure -> what was shown -> (n, 4): labels of each class, the value and the ends of its interval. chance:
    measure -> chance level, dotted. Raises ShapeError.
    """
    _check(values, points=True)
    shown = list(dict.fromkeys(name for row in values.values() for name in row))
    wide, high, gap, left = style.width(venue), 1.2, 0.5, 0.42
    across = min(len(values), max(1, int((wide - left + gap) // (1.4 + gap))))
    rows = -(-len(values) // across)
    side = (wide - left - 0.08 - (across - 1) * gap) / across
    key = Legend([*handles(shown, _colour), *([chance_handle()] if chance else [])], wide)
    tall = key.tall + rows * (high + 0.42) + 0.1
    fig = Figure(figsize=(wide, tall))
    key.put(fig)
    for number, (measure, found) in enumerate(values.items()):
        row, column = divmod(number, across)
        x, y = left + column * (side + gap), key.tall + row * (high + 0.42) + 0.2
        axes = fig.add_axes((x / wide, 1 - (y + high) / tall, side / wide, high / tall))
        axes.set_title(measure, loc="left")
        for place, name in enumerate(shown):
            if name in found:
                labels, value, low, up = found[name][np.argsort(found[name][:, 0])].T
                beside = labels * 1.07 ** (place - (len(shown) - 1) / 2)  # so that no interval hides another
                axes.vlines(beside, low, up, color=_colour(name), linewidth=0.9, zorder=3 - place)
                dashed = {"linestyle": style.dashes(len(shown))[place], "linewidth": 0.8, "zorder": 4 - place}
                axes.plot(beside, value, color=_colour(name), marker=MARKERS[place], markersize=3.5, **dashed, **EDGE)
        if chance and measure in chance:
            axes.axhline(chance[measure], color="black", linestyle=":", linewidth=0.8)
        ticks = sorted({float(count) for array in found.values() for count in array[:, 0]})
        axes.set_xscale("log")
        axes.set(xlabel="labels of each class", ylabel=what if column == 0 else "", ylim=(0, None))
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    told = "; ".join(f"{measure}, most labels: {_told({n: a[-1, 1:] for n, a in found.items()})}"
                     for measure, found in values.items())  # fmt: skip
    return Drawn(fig, f"Scores against labels of each class. {told}.")


def of_evaluated(found: Evaluated) -> dict[str, Any]:
    """Arguments for `intervals`: `intervals(**of_evaluated(found))`."""
    values = {
        band: {shown: np.array([one.value, one.low, one.high]) for shown, one in row.items()}
        for band, row in found.bands.items()
    }
    return {"values": values, "chance": dict(found.chance), "what": found.name}


def of_tasks(tasks: Mapping[str, Outcome], rows: Mapping[str, tuple[str, Mapping[str, str]]]) -> dict[str, Any]:
    """Arguments for `intervals`, from outcomes of several tasks.

    tasks: by name. rows: measure -> task and the words of its scores, as {"way": ...}; the first of each
    is drawn. A row whose task is not there is left out.
    """
    from mvkit.eval.outcome import CHANCE  # here, because drawing loads no torch

    values: dict[str, dict[str, np.ndarray]] = {}
    chance = {}
    for measure, (task, words) in rows.items():
        for row in tasks[task].rows if task in tasks else ():
            shown, first = row.of["shown"], next(iter(row.values.values()))
            if shown == CHANCE and all((row.of.get(word) or said) == said for word, said in words.items()):
                chance[measure] = first.value
            elif words.items() <= dict(row.of).items():
                values.setdefault(measure, {})[shown] = np.array([first.value, first.low, first.high])
    return {"values": values, "chance": chance}


def of_few(found: Evaluated) -> dict[str, Any]:
    """Arguments for `efficiency`, of the task few_shot."""
    curves = found.by_labels()
    values = {measure: {shown: np.array(points) for shown, points in row.items()} for measure, row in curves.items()}
    chance = {band.rpartition(", ")[0]: level for band, level in found.chance.items()}
    return {"values": values, "chance": chance, "what": found.name}


def _check(values: Mapping[str, Mapping[str, Any]], *, points: bool = False) -> None:
    arrays = [array for row in values.values() for array in row.values()]
    if not arrays or any(
        array.ndim != 1 + points or array.shape[-1] != 3 + points or not len(array) for array in arrays
    ):
        wanted = "(n, 4): labels, value, low, high" if points else "(3,): value, low, high"
        raise ShapeError(f"wanted measure -> what was shown -> {wanted}, got {[array.shape for array in arrays][:3]}")


def _colour(shown: str) -> str:
    return style.colour("encoder", _ROLES.get(shown, shown))


def _told(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value[0]:.2f} ({value[1]:.2f} to {value[2]:.2f})" for name, value in found.items())
