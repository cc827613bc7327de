"""Scores of several encoders, as they are: a mark for every seed on one scale, with chance level and mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.legend import EDGE, MARKERS, Legend, chance_handle, handle

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
    states = list(dict.fromkeys(state for row in values.values() for state in row))
    if not states or any(array.ndim != 1 or not len(array) for row in values.values() for array in row.values()):
        raise ShapeError("comparison needs measure -> encoder -> array of at least one value")
    apart = 0.115  # inches between the lines of two encoders
    left = max(map(style.text_width, values)) + 0.12
    wide, pitch, right = style.width(venue), len(states) * apart + 0.1, 0.3
    key = Legend([*_handles(states), *([chance_handle()] if chance else [])], wide)
    tall = key.tall + len(values) * pitch + 0.31
    fig = Figure(figsize=(wide, tall))
    key.put(fig)
    axes = fig.add_axes((left / wide, 0.31 / tall, (wide - left - right) / wide, len(values) * pitch / tall))
    for row, (measure, by_state) in enumerate(values.items()):
        axes.axhspan(row - 0.46, row + 0.46, color="0.955", linewidth=0, zorder=0)
        for number, state in enumerate(states):
            if state not in by_state:
                continue
            seeds, y = by_state[state], row + (number - (len(states) - 1) / 2) * apart / pitch
            shade, mark = style.colour("encoder", state), MARKERS[number % len(MARKERS)]
            axes.plot([seeds.min(), seeds.max()], [y, y], color=shade, linewidth=1.0, zorder=2)
            axes.plot(seeds.mean(), y, mark, color=shade, markersize=4, zorder=4, **EDGE)
            if len(seeds) > 1:
                axes.plot(seeds, [y] * len(seeds), "|", color="black", markersize=6, markeredgewidth=0.6, zorder=5)
            axes.annotate(f"{seeds.mean():.2f}", (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=6)
        if chance and measure in chance:
            axes.plot([chance[measure]] * 2, [row - 0.46, row + 0.46], color="black", linestyle=":", linewidth=0.8)
    axes.set(yticks=range(len(values)), yticklabels=list(values), ylim=(len(values) - 0.5, -0.5), xlabel=what)
    axes.margins(x=0.08)
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
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
    key = Legend(_handles([first, second]), wide)
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


def _handles(states: Sequence[str]) -> list[Any]:
    return [
        handle(state, style.colour("encoder", state), marker=MARKERS[number % len(MARKERS)], markersize=4, **EDGE)
        for number, state in enumerate(states)
    ]


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
    rows = [
        f"{measure}: " + ", ".join(f"{state} {spread(array)}" for state, array in by_state.items())
        for measure, by_state in values.items()
    ]
    return "Scores. " + "; ".join(rows) + "."


def spread(seeds: np.ndarray) -> str:
    """Values of several seeds in words: their mean, and from lowest to highest."""
    return f"{seeds.mean():.3f}" + (f" ({seeds.min():.3f} to {seeds.max():.3f})" if len(seeds) > 1 else "")
