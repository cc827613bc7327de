"""How a training went: loss raw and smoothed, its parts, the learning rate, and what a monitor measured meanwhile."""

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
    heights = {"loss": 1.25} | ({"monitor": 0.85} if monitors else {}) | ({"rate": 0.4} if rate is not None else {})
    # Legends stand above their panels, where no line can strike them.
    keys = {
        "loss": ["as logged", "smoothed", *(references or {})],
        "monitor": [*(monitors or {}), *(["chance"] if chance else [])],
    }
    wide = style.width(venue)
    columns = {name: _legend_columns(labels, wide - 0.64) for name, labels in keys.items()}
    above = {name: 0.125 * -(-len(keys[name]) // columns[name]) if name in keys else 0.09 for name in heights}
    tall = sum(heights.values()) + sum(above.values()) + 0.06 * len(heights) + 0.32
    fig = Figure(figsize=(wide, tall))
    y, first, panels = 0.0, None, {}
    for name, height in heights.items():
        y += above[name] + 0.06
        box = (0.5 / wide, 1 - (y + height) / tall, (wide - 0.64) / wide, height / tall)
        panels[name] = fig.add_axes(box, sharex=first)
        first = first or panels[name]
        y += height
        panels[name].tick_params(labelbottom=name == list(heights)[-1])
    _loss(panels["loss"], steps, loss, references or {}, loss_name, log)
    if monitors:
        _monitors(panels["monitor"], monitors, chance or {}, monitor_name)
    if rate is not None:
        panels["rate"].plot(steps, rate * 1e3, color=style.BLACK)
        panels["rate"].set(ylabel="lr (10⁻³)", ylim=(0, None))
        panels["rate"].locator_params(axis="y", nbins=2)
    panels[list(heights)[-1]].set_xlabel("optimiser step")
    panels["loss"].xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in panels.values():
        axes.yaxis.set_label_coords(-0.39 / (wide - 0.64), 0.5)
    for name, labels in columns.items():
        if name in panels:
            panels[name].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=labels, borderpad=0, borderaxespad=0.2,
                                labelspacing=0.25, columnspacing=1.2)  # fmt: skip
    return Drawn(fig, _alt(steps, loss, monitors or {}, references or {}))


@drawing()
def parts(
    steps: Any,
    loss: Any,
    parts: Mapping[str, Any],
    *,
    weights: Mapping[str, float] | None = None,
    log: bool = False,
    venue: str = "cvpr-full",
) -> Drawn:
    """Every part of a loss in a panel of its own scale; the total first, in a bold frame.

    steps, loss: (n,), the total. parts: label -> (n,), NaN where not logged. weights: label -> its weight in the total,
    printed in the title. log: logarithmic values. Raises ShapeError.
    """
    lines = {"total": loss, **parts}
    if steps.ndim != 1 or not len(steps) or any(values.shape != steps.shape for values in lines.values()):
        shapes = {label: values.shape for label, values in lines.items()}
        raise ShapeError(f"parts needs steps and values of one length, got {steps.shape} and {shapes}")
    wide, left, gap, high, title = style.width(venue), 0.42, 0.5, 0.8, 0.22
    rows = -(-len(lines) // max(1, int((wide - left + gap) // (0.95 + gap))))
    across = -(-len(lines) // rows)
    side = (wide - left - 0.14 - (across - 1) * gap) / across
    tall = rows * (high + title) + (rows - 1) * 0.17 + 0.34
    fig = Figure(figsize=(wide, tall))
    for number, (label, values) in enumerate(lines.items()):
        row, column = divmod(number, across)
        x, y = left + column * (side + gap), row * (high + title + 0.17) + title
        axes = fig.add_axes((x / wide, 1 - (y + high) / tall, side / wide, high / tall))
        weight = (weights or {}).get(label)
        _line(axes, steps, values, style.BLACK if label == "total" else style.BLUE, log)
        words = label.replace("_", " ") + ("" if weight is None else f" (× {weight:g})")
        axes.set_title(words, fontweight="bold" if label == "total" else "normal", loc="left")
        if label == "total":
            axes.spines[:].set(visible=True, linewidth=1.0)
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        if number + across >= len(lines):
            axes.set_xlabel("optimiser step")
    return Drawn(fig, " ".join(_fell(label, values) for label, values in lines.items()))


def parts_of_journal(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A journal as `parts` takes it: `parts(**parts_of_journal(run.journal.lines))`. Raises RunError without a loss."""
    logged = _logged(lines)
    names = dict.fromkeys(key for line in logged for key in line if key.startswith("part/"))
    column = {
        name: np.array([line.get(name, np.nan) for line in logged], np.float32) for name in ("step", "loss", *names)
    }
    return {
        "steps": column["step"],
        "loss": column["loss"],
        "parts": {name.removeprefix("part/"): column[name] for name in names},
    }


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
    _line(axes, steps, loss, style.BLUE, log)
    for (label, value), dash in zip(references.items(), style.dashes(5)[1:], strict=False):
        axes.axhline(value, color="0.25", linewidth=0.8, linestyle=dash, label=label)
    axes.set_ylabel(name)


def _line(axes: Axes, steps: np.ndarray, values: np.ndarray, colour: str, log: bool) -> None:
    """Values as logged, pale, and smoothed; what is not finite is left out."""
    there = np.isfinite(values)
    steps, values = steps[there], values[there]
    few = "o" if len(values) < 3 else None  # one or two logged steps make no line to see
    axes.plot(steps, values, color=colour, alpha=0.3, linewidth=0.6, marker=few, label="as logged")
    axes.plot(steps, smooth(values, round(SMOOTHING * len(values))), color=colour, linewidth=1.2, label="smoothed")
    scale(axes, values, log)
    axes.margins(x=0.01)


def scale(axes: Axes, values: np.ndarray, log: bool) -> None:
    """A few ticks for finite values upwards; logarithmic if asked for, and all of them are above 0."""
    if log and len(values) and (values > 0).all():
        axes.set_yscale("log")
        ticks = LogLocator(subs=(1, 2, 5)) if values.max() / values.min() >= 10 else MaxNLocator(4)
        axes.yaxis.set(major_locator=ticks, major_formatter=StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.locator_params(axis="y", nbins=5)


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """How many columns a legend of `width` inches can have; it is filled column by column."""
    entries = [style.text_width(label, 6.5) + 0.42 for label in labels]
    for columns in range(len(labels), 1, -1):
        if sum(max(part) for part in np.array_split(entries, columns)) <= width:
            return columns
    return 1


def _monitors(axes: Axes, monitors: Mapping[str, np.ndarray], chance: Mapping[str, float], name: str) -> None:
    for (label, points), dash in zip(monitors.items(), style.dashes(len(monitors)), strict=True):
        shade = style.colour("role", label)
        axes.plot(points[:, 0], points[:, 1], color=shade, linestyle=dash, marker="o", label=label)
    for number, level in enumerate(sorted(set(chance.values()))):
        label = None if number else "chance"
        axes.axhline(level, color=style.BLACK, linewidth=0.6, linestyle=":", label=label)
    axes.set(ylabel=name)
    axes.margins(y=0.1)


def _alt(
    steps: np.ndarray, loss: np.ndarray, monitors: Mapping[str, np.ndarray], references: Mapping[str, float]
) -> str:
    text = f"{int(steps[-1])} steps. {_fell('Loss', loss)}"
    text += "".join(f" {label}: {value:.3g}." for label, value in references.items())
    return text + "".join(f" {label}: {p[0, 1]:.2f} to {p[-1, 1]:.2f}." for label, p in monitors.items())


def _fell(label: str, values: np.ndarray) -> str:
    values = values[np.isfinite(values)]
    if not len(values):
        return f"{label} was never finite."
    window = max(1, round(SMOOTHING * len(values)))
    return f"{label} from {values[:window].mean():.3g} to {values[-window:].mean():.3g}."


def of_journal(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A journal as `training` takes it: `training(**of_journal(run.journal.lines))`. Raises RunError without a loss."""
    logged = _logged(lines)
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


def _logged(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if logged := [line for line in lines if "loss" in line]:
        return logged
    raise RunError("this journal has no line with a loss yet: train for at least one logged step")
