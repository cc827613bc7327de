"""How a training went: loss raw and smoothed, learning rate under it, and what a monitor measured meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from mvkit.errors import RunError, ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing

SMOOTHING = 0.1  # of the run's length: the window whose centred mean is the smooth line


@drawing()
def training(
    steps: Any,
    loss: Any,
    *,
    rate: Any = None,
    monitors: Mapping[str, Any] | None = None,
    chance: Mapping[str, float] | None = None,
    references: Mapping[str, float] | None = None,
    loss_name: str = "loss",
    monitor_name: str = "accuracy",
    log: bool = False,
    venue: str = "cvpr-column",
) -> Drawn:
    """Loss against optimiser steps; learning rate; monitors.

    steps, loss, rate: (n,). monitors: label -> (k, 2) pairs of step and value in [0, 1]. chance: label -> chance level.
    references: label -> loss of something trivial, a dotted line. log: logarithmic loss. Raises ShapeError.
    """
    if (
        steps.shape != loss.shape
        or steps.ndim != 1
        or not len(steps)
        or (rate is not None and rate.shape != steps.shape)
    ):
        raise ShapeError(f"training needs steps, loss and rate of one length, got {steps.shape} and {loss.shape}")
    parts = {"loss": 1.25} | ({"monitor": 0.85} if monitors else {}) | ({"rate": 0.4} if rate is not None else {})
    wide = style.width(venue)
    tall = sum(parts.values()) + 0.09 * (len(parts) - 1) + 0.08 + 0.3
    fig = Figure(figsize=(wide, tall))
    y, first, panels = 0.08, None, {}
    for name, height in parts.items():
        box = (0.5 / wide, 1 - (y + height) / tall, (wide - 0.58) / wide, height / tall)
        panels[name] = fig.add_axes(box, sharex=first)
        first = first or panels[name]
        y += height + 0.09
        panels[name].tick_params(labelbottom=name == list(parts)[-1])
    _loss(panels["loss"], steps, loss, references or {}, loss_name, log)
    if monitors:
        _monitors(panels["monitor"], monitors, chance or {}, monitor_name)
    if rate is not None:
        panels["rate"].plot(steps, rate * 1e3, color=style.BLACK)
        panels["rate"].set(ylabel="lr (10⁻³)", ylim=(0, None))
        panels["rate"].locator_params(axis="y", nbins=2)
    panels[list(parts)[-1]].set_xlabel("optimiser step")
    panels["loss"].xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in panels.values():
        axes.yaxis.set_label_coords(-0.39 / (wide - 0.58), 0.5)
    return Drawn(fig, _alt(steps, loss, monitors or {}, references or {}))


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Centred running mean of `window` values, narrower at the ends, as long as `values`."""
    half = max(window // 2, 0)
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    at = np.arange(len(values))
    reach = np.minimum(np.minimum(at, len(values) - 1 - at), half)
    return (total[at + reach + 1] - total[at - reach]) / (2 * reach + 1)


def _loss(
    axes: Axes, steps: np.ndarray, loss: np.ndarray, references: Mapping[str, float], name: str, log: bool
) -> None:
    # A run of one or two logged steps has no line to see.
    few = "o" if len(loss) < 3 else None
    axes.plot(steps, loss, color=style.BLUE, alpha=0.3, linewidth=0.6, marker=few, label="as logged")
    axes.plot(steps, smooth(loss, round(SMOOTHING * len(loss))), color=style.BLUE, linewidth=1.2, label="smoothed")
    for (label, value), dash in zip(references.items(), style.dashes(5)[1:], strict=False):
        axes.axhline(value, color="0.25", linewidth=0.8, linestyle=dash, label=label)
    axes.set(ylabel=name, yscale="log" if log else "linear")
    if log:
        axes.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter=StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.01)
    axes.legend(loc="best", borderaxespad=0.1, ncols=2 if references else 1)


def _monitors(axes: Axes, monitors: Mapping[str, np.ndarray], chance: Mapping[str, float], name: str) -> None:
    for (label, points), dash in zip(monitors.items(), style.dashes(len(monitors)), strict=True):
        shade = style.colour("role", label)
        axes.plot(points[:, 0], points[:, 1], color=shade, linestyle=dash, marker="o", label=label)
    for level in sorted(set(chance.values())):
        axes.axhline(level, color=style.BLACK, linewidth=0.6, linestyle=":", label="chance")
    axes.set(ylabel=name)
    axes.margins(y=0.25)
    axes.legend(loc="best", ncols=3, borderaxespad=0.1)


def _alt(
    steps: np.ndarray, loss: np.ndarray, monitors: Mapping[str, np.ndarray], references: Mapping[str, float]
) -> str:
    window = max(1, round(SMOOTHING * len(loss)))
    text = f"Loss over {int(steps[-1])} steps, from {loss[:window].mean():.3g} to {loss[-window:].mean():.3g}."
    text += "".join(f" {label}: {value:.3g}." for label, value in references.items())
    return text + "".join(f" {label}: {p[0, 1]:.2f} to {p[-1, 1]:.2f}." for label, p in monitors.items())


def of_journal(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A journal as `training` takes it: `training(**of_journal(run.journal.lines))`. Raises RunError without a loss."""
    logged = [line for line in lines if "loss" in line]
    if not logged:
        raise RunError("this journal has no line with a loss yet: train for at least one logged step")
    seen = dict.fromkeys(key for line in lines for key in line if key.startswith("monitor/"))
    return {
        "steps": np.array([line["step"] for line in logged], np.float32),
        "loss": np.array([line["loss"] for line in logged], np.float32),
        "rate": np.array([line["lr"] for line in logged], np.float32),
        "monitors": {
            key.rpartition("/")[2]: np.array([(line["step"], line[key]) for line in lines if key in line], np.float32)
            for key in seen
        },
    }
