"""Scores of several encoders, as they are: a mark for every seed on one scale, with chance level and mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.marks import Swatch
from mvkit.viz.strip import broken

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
    entries = [Swatch(state, "white") for state in [*states, *(["chance"] if chance else [])]]
    key = broken(entries, wide - 0.2)
    tall = len(key) * 0.135 + 0.07 + len(values) * pitch + 0.31
    fig = Figure(figsize=(wide, tall))
    axes = fig.add_axes((left / wide, 0.31 / tall, (wide - left - right) / wide, len(values) * pitch / tall))
    for row, (measure, by_state) in enumerate(values.items()):
        axes.axhspan(row - 0.46, row + 0.46, color="0.955", linewidth=0, zorder=0)
        for number, state in enumerate(states):
            if state not in by_state:
                continue
            seeds, y = by_state[state], row + (number - (len(states) - 1) / 2) * apart / pitch
            shade, mark = style.colour("encoder", state), MARKERS[number % len(MARKERS)]
            axes.plot([seeds.min(), seeds.max()], [y, y], color=shade, linewidth=1.0, zorder=2)
            axes.plot(
                seeds.mean(), y, mark, color=shade, markeredgecolor="black", markeredgewidth=0.4, markersize=4, zorder=4
            )
            if len(seeds) > 1:
                axes.plot(seeds, [y] * len(seeds), "|", color="black", markersize=6, markeredgewidth=0.6, zorder=5)
            axes.annotate(f"{seeds.mean():.2f}", (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=6)
        if chance and measure in chance:
            axes.plot([chance[measure]] * 2, [row - 0.46, row + 0.46], color="black", linestyle=":", linewidth=0.8)
    axes.set(yticks=range(len(values)), yticklabels=list(values), ylim=(len(values) - 0.5, -0.5), xlabel=what)
    axes.margins(x=0.08)
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
    handles = [_handle(state, number) for number, state in enumerate(states)]
    handles += [Line2D([], [], color="black", linestyle=":", linewidth=0.8, label="chance")] if chance else []
    for number, line in enumerate(key):
        first = sum(map(len, key[:number]))
        fig.legend(
            handles=handles[first : first + len(line)], loc="upper center", ncols=len(line), borderpad=0,
            bbox_to_anchor=(0.5, 1 - (number * 0.135 + 0.02) / tall), borderaxespad=0, handletextpad=0.3,
            handlelength=1.0, columnspacing=1.0,
        )  # fmt: skip
    return Drawn(fig, _alt(values))


def _handle(state: str, number: int) -> Line2D:
    look = {"markeredgecolor": "black", "markeredgewidth": 0.4, "markersize": 4, "linestyle": ""}
    return Line2D(
        [], [], color=style.colour("encoder", state), marker=MARKERS[number % len(MARKERS)], label=state, **look
    )


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
        f"{measure}: " + ", ".join(f"{state} {_spread(array)}" for state, array in by_state.items())
        for measure, by_state in values.items()
    ]
    return "Scores. " + "; ".join(rows) + "."


def _spread(seeds: np.ndarray) -> str:
    return f"{seeds.mean():.3f}" + (f" ({seeds.min():.3f} to {seeds.max():.3f})" if len(seeds) > 1 else "")
