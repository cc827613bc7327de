"""Scores of several encoders, as they are: a mark for every seed on one scale, with chance level and mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.legend import EDGE, MARKERS, Legend
from mvkit.viz.rows import handles, rows

MEASURES = {"knn": "kNN", "probe": "probe", "attentive": "attentive probe", "finetune": "fine-tuned"}


@drawing()
def comparison(
    values: Mapping[str, Mapping[str, Any]],
    *,
    chance: Mapping[str, float] | None = None,
    what: str = "accuracy",
    venue: str = "cvpr-column",
) -> Drawn:
    """One band per measure, in it one line per encoder: a tick for each seed, a mark at their mean.

    values: measure -> encoder ("untrained", "VideoMAE", ...) -> array of one value per seed, in [0, 1]; the mean is
    printed at the right. chance: measure -> chance level, a dotted tick. Raises ShapeError.
    """
    if not any(values.values()) or any(
        array.ndim != 1 or not len(array) for row in values.values() for array in row.values()
    ):
        raise ShapeError("comparison needs measure -> encoder -> array of at least one value")
    spans = {
        measure: {name: (seeds.mean(), seeds.min(), seeds.max()) for name, seeds in row.items()}
        for measure, row in values.items()
    }

    def seeds(axes: Axes, measure: str, name: str, y: float) -> None:
        found = values[measure][name]
        if len(found) > 1:
            axes.plot(found, [y] * len(found), "|", color="black", markersize=6, markeredgewidth=0.6, zorder=5)

    fig = rows(spans, colour=_colour, chance=chance, what=what, venue=venue, tick=seeds)
    return Drawn(fig, _alt(values))


@drawing()
def paired(
    values: Mapping[str, Mapping[str, Any]],
    first: str,
    second: str,
    *,
    what: str = "accuracy",
    venue: str = "cvpr-column",
) -> Drawn:
    """Two encoders seed by seed: a line from the one to the other for every seed, the mean difference at the right.

    values: measure -> encoder -> (S,), the same seeds in the same order. first, second: the two to compare; the
    difference is second - first. Raises ShapeError where they were not measured on as many seeds.
    """
    for measure, row in values.items():
        shapes = [row[name].shape if name in row else None for name in (first, second)]
        if shapes[0] is None or shapes[0] != shapes[1] or len(shapes[0]) != 1 or not shapes[0][0]:
            raise ShapeError(f"{measure}: '{first}' and '{second}' must be two (S,) of the same seeds, got {shapes}")
    apart = 0.09
    pitches = [max(0.4, len(row[first]) * apart + 0.12) for row in values.values()]
    notes = [_difference(row[second] - row[first]) for row in values.values()]
    left, right = max(map(style.text_width, values)) + 0.12, max(style.text_width(note, 6) for note in notes) + 0.14
    wide = style.width(venue)
    key = Legend(handles([first, second], _colour), wide)
    tall = key.tall + sum(pitches) + 0.31
    fig = Figure(figsize=(wide, tall))
    key.put(fig)
    axes = fig.add_axes((left / wide, 0.31 / tall, (wide - left - right) / wide, sum(pitches) / tall))
    middles = [sum(pitches[:row]) + pitch / 2 for row, pitch in enumerate(pitches)]
    for row, note, middle, pitch in zip(values.values(), notes, middles, pitches, strict=True):
        axes.axhspan(middle - pitch / 2 + 0.02, middle + pitch / 2 - 0.02, color="0.955", linewidth=0, zorder=0)
        seeds = len(row[first])
        for number, (before, after) in enumerate(zip(row[first], row[second], strict=True)):
            y = middle + (number - (seeds - 1) / 2) * apart
            axes.plot([before, after], [y, y], color="0.35", linewidth=0.8, zorder=2)
            for place, (name, value) in enumerate(((first, before), (second, after))):
                axes.plot(value, y, color=style.colour("encoder", name), marker=MARKERS[place], markersize=4, zorder=3,
                          **EDGE)  # fmt: skip
        axes.annotate(note, (1.02, middle), xycoords=("axes fraction", "data"),
                      va="center", fontsize=6, linespacing=1.1)  # fmt: skip
    axes.set(yticks=middles, yticklabels=list(values), ylim=(sum(pitches), 0), xlabel=what)
    axes.margins(x=0.08)
    axes.tick_params(axis="y", length=0)
    told = "; ".join(f"{name}: {_difference(row[second] - row[first], ', ')}" for name, row in values.items())
    return Drawn(fig, f"{second} minus {first}, seed by seed. {told}.")


def _difference(values: np.ndarray, between: str = "\n") -> str:
    up = f"higher in {(values > 0).sum()} of {len(values)}"
    return f"{values.mean():+.3f}" + (
        f"{between}{values.min():+.3f} to {values.max():+.3f}{between}{up}" if len(values) > 1 else ""
    )


def _colour(name: str) -> str:
    return style.colour("encoder", name)


def of_scorecard(scores: Sequence[Any]) -> dict[str, Any]:
    """Scores of `eval.scorecard` as `comparison` takes them; several cards, one a seed, may be joined."""
    values: dict[str, dict[str, list[float]]] = {}
    chance = {}
    for score in scores:
        measure = f"{MEASURES.get(score.measure, score.measure)} {score.labels}"
        values.setdefault(measure, {}).setdefault(score.encoder, []).append(score.accuracy)
        chance[measure] = score.chance
    arrays = {
        name: {state: np.array(found, np.float32) for state, found in row.items()} for name, row in values.items()
    }
    return {"values": arrays, "chance": chance}


def _alt(values: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    told = [
        f"{measure}: " + ", ".join(f"{state} {spread(array)}" for state, array in by_state.items())
        for measure, by_state in values.items()
    ]
    return "Scores. " + "; ".join(told) + "."


def spread(seeds: np.ndarray) -> str:
    """Values of several seeds in words: their mean, and from lowest to highest."""
    return f"{seeds.mean():.3f}" + (f" ({seeds.min():.3f} to {seeds.max():.3f})" if len(seeds) > 1 else "")
