"""Scores before and after, as they are: dots on one scale with chance level and the spread there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing

MEASURES = {"knn": "kNN", "probe": "probe", "finetune": "fine-tuned"}
MARKERS = ("o", "D", "s", "^", "v", "P")


@drawing()
def comparison(
    values: Mapping[str, Mapping[str, Any]],
    *,
    chance: Mapping[str, float] | None = None,
    what: str = "accuracy",
    venue: str = "cvpr-column",
) -> Drawn:
    """One line per measure, one mark per state ("untrained", "trained"), a bar from lowest to highest over seeds.

    values: measure -> state -> array of one value per seed, in [0, 1]. chance: measure -> chance level, a tick.
    Raises ShapeError.
    """
    states = list(dict.fromkeys(state for row in values.values() for state in row))
    if not states or any(array.ndim != 1 or not len(array) for row in values.values() for array in row.values()):
        raise ShapeError("comparison needs measure -> state -> array of at least one value")
    apart = 0.115  # inches between the marks of two states
    wide, left, pitch = style.width(venue), 1.2, len(states) * apart + 0.1
    tall = 0.2 + len(values) * pitch + 0.31
    fig = Figure(figsize=(wide, tall))
    axes = fig.add_axes((left / wide, 0.31 / tall, (wide - left - 0.3) / wide, len(values) * pitch / tall))
    for row, (measure, by_state) in enumerate(values.items()):
        axes.axhspan(row - 0.44, row + 0.44, color="0.955", linewidth=0, zorder=0)
        for number, state in enumerate(states):
            if state not in by_state:
                continue
            seeds, shade = by_state[state], style.colour("role", state)
            y = row + (number - (len(states) - 1) / 2) * apart / pitch
            axes.plot([seeds.min(), seeds.max()], [y, y], color=shade, linewidth=1.5)
            look = {"color": shade, "markeredgecolor": "black", "markeredgewidth": 0.4, "markersize": 4}
            axes.plot(seeds.mean(), y, MARKERS[number % 6], label=state if row == 0 else None, **look)
            axes.annotate(
                f"{seeds.mean():.2f}",
                (1.01, y),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=6,
                color=shade,
            )
        if chance and measure in chance:
            axes.plot([chance[measure]] * 2, [row - 0.4, row + 0.4], color="black", linestyle=":", linewidth=0.8,
                      label="chance" if row == 0 else None)  # fmt: skip
    axes.set(yticks=range(len(values)), yticklabels=list(values), ylim=(len(values) - 0.5, -0.5), xlabel=what)
    axes.margins(x=0.08)
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
    fig.legend(*axes.get_legend_handles_labels(), loc="upper center", ncols=len(states) + 1, borderaxespad=0.1)
    return Drawn(fig, _alt(values))


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
        f"{measure}: " + ", ".join(f"{state} {array.mean():.3f}" for state, array in by_state.items())
        for measure, by_state in values.items()
    ]
    return "Scores. " + "; ".join(rows) + "."
