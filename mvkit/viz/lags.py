"""Similarity against steps apart, with its controls: a static clip, and the steps of a clip in another order."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing

# name -> role, line and face of its marks
KINDS = {
    "clips": ("", "-", None),
    "static clips": ("static", ":", "white"),
    "steps shuffled": ("shuffled", "--", "white"),
}


@drawing()
def curves(
    curves: Mapping[str, Any],
    *,
    static: Mapping[str, Any] | None = None,
    shuffled: Mapping[str, Any] | None = None,
    roles: Mapping[str, str] | None = None,
    what: str = "cosine",
    venue: str = "cvpr-full",
) -> Drawn:
    """One panel an encoder: the mean over clips, and a band of one standard deviation of them.

    curves: label -> (clips, t), of `inspect.similarity.lag_curve`, at least 2 steps; lag 0, which is 1, is not drawn.
    static, shuffled: label -> the same of static clips and of clips whose steps were shuffled. roles: label -> role or
    method, for its colour. Raises ShapeError.
    """
    kinds = dict(zip(KINDS, (curves, dict(static or {}), dict(shuffled or {})), strict=True))
    shapes = [values.shape for group in kinds.values() for values in group.values()]
    strange = {label for group in kinds.values() for label in group} - set(curves)
    if not curves or strange or any(len(s) != 2 or s[1] < 2 or s[1] != shapes[0][1] for s in shapes):
        raise ShapeError(
            f"lag curves must be (clips, t) of one t, 2 or more, controls of encoders in {list(curves)}, got {shapes}"
            + (f" and controls of {sorted(strange)}" if strange else "")
        )
    wide, left, gap, tall = style.width(venue), 0.42, 0.1, 1.5
    side = min((wide - left - 0.03 - (len(curves) - 1) * gap) / len(curves), 1.9)
    titles = {label: textwrap.fill(label, max(6, int(side / 0.06)), break_long_words=False) for label in curves}
    high = tall + 0.56 + 0.12 * max(title.count("\n") + 1 for title in titles.values())
    fig = Figure(figsize=(wide, high))
    ends = [_ends(values) for group in kinds.values() for values in group.values()]
    low, top = min(end[0] for end in ends), max(end[1] for end in ends)
    margin = 0.06 * max(top - low, 1e-3)
    for number, label in enumerate(curves):
        axes = fig.add_axes(((left + number * (side + gap)) / wide, 0.32 / high, side / wide, tall / high))
        for kind, (role, dash, face) in KINDS.items():
            if label not in kinds[kind]:
                continue
            colour = style.colour("encoder", role or (roles or {}).get(label, label))
            _band(axes, kinds[kind][label], colour, dash, face)
        steps = shapes[0][1]
        axes.set(title=titles[label], ylim=(low - margin, top + margin), xticks=range(1, steps, -(-(steps - 1) // 7)))
        beside = 0.07 / side * max(1, steps - 2)  # so that no marker is cut
        axes.set(xlabel="steps apart", xlim=(1 - beside, steps - 1 + beside))
        axes.tick_params(labelleft=number == 0)
        if number == 0:
            axes.set_ylabel(f"mean {what}")
    keys = {}
    for kind, (role, dash, face) in KINDS.items():
        if kinds[kind]:
            shade = style.colour("encoder", role) if role else "0.4"
            keys[kind] = Line2D([], [], linestyle=dash, color=shade, marker="o", markerfacecolor=face or shade)
    fig.legend(list(keys.values()), list(keys), loc="upper left", ncols=3, bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return Drawn(fig, _alt(kinds), {what: (low, top)})


def together(
    axes: Axes,
    curves: Mapping[str, np.ndarray],
    static: Mapping[str, np.ndarray],
    roles: Mapping[str, str],
    what: str,
) -> None:
    """Curves (t,) of all encoders on one axes; those of static clips dotted, in the colour of their label."""
    dashes = ["-"] * len(curves) if static else style.dashes(len(curves))
    marks = iter("oDs^vP" * len(curves))
    for (label, values), dash, mark in zip(curves.items(), dashes, marks, strict=False):
        look = {"color": style.colour("encoder", roles.get(label, label)), "marker": mark, "clip_on": False}
        axes.plot(range(1, len(values)), values[1:], linestyle=dash, label=label, **look)
        if label in static:
            axes.plot(range(1, len(values)), static[label][1:], linestyle=":", markerfacecolor="white", **look)
    if static:
        axes.plot([], [], ":", color="0.3", marker="o", markerfacecolor="white", label="static clip")
    longest = max(len(values) for values in curves.values())
    axes.set(xlabel="steps apart", ylabel=f"mean {what}", xticks=range(1, max(2, longest)))
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0, columnspacing=1.2)
    axes.margins(x=0.04, y=0.15)


def _band(axes: Axes, values: np.ndarray, colour: str, dash: str, face: str | None) -> None:
    at, mean, spread = range(1, values.shape[1]), _mean(values)[1:], _spread(values)[1:]
    axes.fill_between(at, mean - spread, mean + spread, color=colour, alpha=0.18, linewidth=0)
    axes.plot(at, mean, linestyle=dash, color=colour, marker="o", markerfacecolor=face or colour)


def _mean(values: np.ndarray) -> np.ndarray:
    return np.ma.masked_invalid(values).mean(axis=0).filled(np.nan)  # NaN, without a warning, where all are


def _spread(values: np.ndarray) -> np.ndarray:
    """Standard deviation over clips; 0 for one clip."""
    return np.ma.masked_invalid(values).std(axis=0, ddof=min(1, len(values) - 1)).filled(0)


def _ends(values: np.ndarray) -> tuple[float, float]:
    mean, spread = _mean(values)[1:], _spread(values)[1:]
    return float(np.nanmin(mean - spread)), float(np.nanmax(mean + spread))


def _alt(kinds: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    said = []
    for kind, group in kinds.items():
        for label, values in group.items():
            mean = _mean(values)
            said.append(f"{label}, {kind}: {mean[1]:.2f} at one step apart, {mean[-1]:.2f} at {len(mean) - 1}")
    clips = max(len(values) for values in kinds["clips"].values())
    return (
        f"Similarity of two steps against the steps between them, mean and deviation of {clips} clips. "
        + "; ".join(said)
        + "."
    )
