"""Masking strategies against each other in numbers: what leaks, what is kept, how far it reaches, where it falls.

`masks(statistics, profiles)` draws what `mvkit.inspect.masks` counted for several strategies on one clip's grid.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import MaxNLocator

from mvkit.errors import OptionError, ShapeError, unknown
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.legend import EDGE, MARKERS, Legend, handle
from mvkit.viz.strip import colour_bar

NAMES = {
    "place_leak": "place leak", "place_leak_any": "place leak, any step", "place_leak_3x3": "place leak, 3×3 around",
    "trajectory_leak": "trajectory leak", "border": "border", "motion_lift": "motion lift",
    "saliency_lift": "saliency lift", "visible_distance": "distance to visible", "flip_rate": "flip rate",
    "visible_clump": "visible clump", "hidden_clump": "hidden clump", "jaccard": "overlap of two masks",
}  # fmt: skip
HIGH, LEFT, BELOW = 1.25, 0.46, 0.32  # inches: a panel, room for its y labels, for its x label
CASED = [Stroke(linewidth=1.5, foreground="0.3"), Normal()]  # the edge that a pale line needs on white
PALE = 0.7  # luma above which a colour is pale
CELL = 0.62  # inches of a positional map at most


@drawing()
def masks(
    statistics: Mapping[str, Mapping[str, float]],
    profiles: Mapping[str, Any],
    *,
    keys: Mapping[str, str] | None = None,
    x: str = "",
    y: str = "motion_lift",
    venue: str = "cvpr-full",
) -> Drawn:
    """One strategy against another: two statistics, correlation over space and time, visible tokens, places hidden.

    statistics: label -> `inspect.masks.mask_statistics(mask, motion=...)`. profiles: label -> `mask_profiles(mask)` of
    the same labels and one grid. keys: label -> masker name, for its colour. x, y: the statistics of the scatter, of
    NAMES; x "" takes the trajectory leak where every strategy has one (it needs the flow), else the place leak. The
    area of a mark grows with the share of tokens visible. Raises OptionError for a statistic that is not there,
    ShapeError for different grids.

        fig, data = viz.dashboard.masks({n: mask_statistics(m, motion=motion) for n, m in drawn.items()},
                                        {n: mask_profiles(m) for n, m in drawn.items()}, keys={"Tube": "tube", ...})
    """
    x = x or ("trajectory_leak" if all("trajectory_leak" in row for row in statistics.values()) else "place_leak")
    _check(statistics, profiles, x, y)
    shades = {label: style.colour("masker", (keys or {}).get(label, label)) for label in statistics}
    looks = {
        label: {
            "color": shades[label],
            "linestyle": dash,
            "marker": MARKERS[number % len(MARKERS)],
            **EDGE,
        }
        for number, (label, dash) in enumerate(zip(statistics, style.dashes(len(statistics)), strict=True))
    }
    wide = style.width(venue)
    key = Legend([handle(label, **_entry(look)) for label, look in looks.items()], wide)
    across = 4 if wide > 5 else 2
    side = wide / across - LEFT - 0.06
    rows = _map_rows(len(profiles), wide)
    cell = min(CELL, (wide - 0.75) / -(-len(profiles) // rows) - 0.06)
    titles = {label: textwrap.wrap(label, max(6, int(cell / 0.057)), break_long_words=False) for label in profiles}
    above = 0.06 + 0.105 * max(map(len, titles.values()))
    h, w = next(iter(profiles.values()))["positional_map"].shape[1:]
    low_row = above + cell * h / w + 0.25
    panels_tall = (4 // across) * (HIGH + BELOW + 0.1)
    tall = key.tall + panels_tall + 0.02 + rows * low_row
    fig = Figure(figsize=(wide, tall))
    key.put(fig)
    panels = []
    for number in range(4):
        row, column = divmod(number, across)
        left, top = column * (wide / across) + LEFT, key.tall + 0.1 + row * (HIGH + BELOW + 0.1)
        panels.append(fig.add_axes((left / wide, 1 - (top + HIGH) / tall, side / wide, HIGH / tall)))
    _scatter(panels[0], statistics, looks, x, y)
    _lines(panels[1], {label: one["rho_space"] for label, one in profiles.items()}, looks, "distance in tokens")
    _lines(panels[2], {label: one["rho_time"] for label, one in profiles.items()}, looks, "steps apart")
    _visible(panels[3], profiles, looks)
    for axes in panels:
        axes.yaxis.set_label_coords((0.12 - LEFT) / side, 0.5)
    limits = _maps(fig, statistics, profiles, titles, rows, cell, key.tall + panels_tall + 0.02, low_row, above)
    return Drawn(fig, _alt(statistics, x, y), {"share of masks that hide a place": limits})


def _check(statistics: Mapping[str, Mapping[str, float]], profiles: Mapping[str, Any], x: str, y: str) -> None:
    if not statistics or set(statistics) != set(profiles):
        raise OptionError(
            f"a dashboard needs statistics and profiles of the same strategies, got {[*statistics]} and {[*profiles]}"
        )
    for name in (x, y):
        if name not in NAMES:
            raise OptionError(unknown("statistic of a dashboard", name, NAMES))
        for label, row in statistics.items():
            if name not in row:
                given = {"motion_lift": "motion", "saliency_lift": "saliency", "trajectory_leak": "flow"}.get(name, "")
                raise OptionError(
                    f"'{label}' has no {name}: pass {given}= to mask_statistics, or choose another x or y"
                )
    shapes = {label: one["positional_map"].shape for label, one in profiles.items()}
    if len(set(shapes.values())) != 1:
        raise ShapeError(f"profiles must be of one grid (t, h, w), got {shapes}")


def _entry(look: Mapping[str, Any]) -> dict[str, Any]:
    return {"colour": look["color"], "marker": look["marker"], "linestyle": look["linestyle"], "markersize": 4, **EDGE}


def _scatter(
    axes: Axes, statistics: Mapping[str, Mapping[str, float]], looks: Mapping[str, Any], x: str, y: str
) -> None:
    for label, row in statistics.items():
        if np.isfinite([row[x], row[y]]).all():
            area, shade = 14 + 90 * (1 - row["ratio"]), looks[label]["color"]
            axes.scatter(row[x], row[y], s=area, color=shade, marker=looks[label]["marker"], edgecolor="black",
                         linewidth=0.5, zorder=3, clip_on=False)  # fmt: skip
    if y.endswith("lift"):
        axes.axhline(1, color="black", linestyle=":", linewidth=0.6, zorder=1)
    if missing := [label for label, row in statistics.items() if not np.isfinite([row[x], row[y]]).all()]:
        axes.set_title(textwrap.shorten("undefined: " + ", ".join(missing), 32, placeholder=" ..."), fontsize=6)
    axes.set(xlabel=NAMES[x], ylabel=NAMES[y] + " (1 is chance)" * y.endswith("lift"))
    axes.margins(0.15)
    axes.set_xlim(right=max(axes.get_xlim()[1], 0.1))  # all at 0 would make an axis of nothing
    axes.locator_params(nbins=5)


def _lines(axes: Axes, curves: Mapping[str, np.ndarray], looks: Mapping[str, Any], what: str) -> None:
    """Correlation at distance 1 and more: at 0 it is always 1."""
    axes.axhline(0, color="0.6", linewidth=0.5, zorder=1)
    for label, values in curves.items():
        _curve(axes, np.arange(1, len(values)), values[1:], looks[label])
    axes.set(xlabel=what, ylabel="correlation of hidden")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.locator_params(axis="y", nbins=5)
    if all(len(values) < 2 for values in curves.values()):
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.6, "one step only", transform=axes.transAxes, ha="center", color="0.25")


def _visible(axes: Axes, profiles: Mapping[str, Any], looks: Mapping[str, Any]) -> None:
    for label, one in profiles.items():
        values = one["visible_per_step"]
        _curve(axes, np.arange(1, 1 + len(values)), values, looks[label])
    steps = max(len(one["visible_per_step"]) for one in profiles.values())
    axes.set(xlabel="step", ylabel="visible tokens", xlim=(0.5, steps + 0.5), ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.locator_params(axis="y", nbins=5)


def _curve(axes: Axes, x: np.ndarray, y: np.ndarray, look: dict[str, Any]) -> None:
    pale = np.dot(to_rgb(look["color"]), (0.2126, 0.7152, 0.0722)) > PALE
    axes.plot(x, y, color=look["color"], linestyle=look["linestyle"], path_effects=CASED if pale else [])
    marks = look | {"linestyle": "", "markersize": 2.8}
    axes.plot(x, y, clip_on=False, **marks)


def _map_rows(count: int, wide: float) -> int:
    """Rows of positional maps, so that each keeps its width."""
    fit = max(1, int((wide - 0.75) / (CELL + 0.06)))
    return -(-count // fit)


def _maps(
    fig: Figure,
    statistics: Mapping[str, Mapping[str, float]],
    profiles: Mapping[str, Any],
    titles: Mapping[str, list[str]],
    rows: int,
    cell: float,
    top: float,
    pitch: float,
    above: float,
) -> tuple[float, float]:
    """Share of masks that hide a place, mean over steps; one colour scale for all. Returns its limits."""
    wide, tall = fig.get_size_inches()
    plane = {label: one["positional_map"].mean(0) for label, one in profiles.items()}
    low, high = min(map(np.min, plane.values())), max(map(np.max, plane.values()))
    low, high = float(low), float(max(high, low + 1e-2))
    across = -(-len(plane) // rows)
    gap = min(0.28, (wide - 0.75 - across * cell) / max(1, across - 1)) if across > 1 else 0.0
    start, drawn, h = (wide - 0.6 - across * cell - (across - 1) * gap) / 2, None, cell
    for number, (label, values) in enumerate(plane.items()):
        row, column = divmod(number, across)
        h = cell * values.shape[0] / values.shape[1]
        left, y = start + column * (cell + gap), top + row * pitch + above
        axes = fig.add_axes((left / wide, 1 - (y + h) / tall, cell / wide, h / tall), xticks=[], yticks=[])
        axes.spines[:].set(visible=True, linewidth=0.3, color="0.35")
        drawn = axes.imshow(values, cmap=style.MAPS["attention"], vmin=low, vmax=high, aspect="auto")
        middle = (left + cell / 2) / wide
        fig.text(middle, 1 - (y - 0.03) / tall, "\n".join(titles[label]), ha="center", va="bottom", linespacing=1.0)
        counts = f"{statistics[label]['count_min']:.0f}"
        if statistics[label]["count_max"] > statistics[label]["count_min"]:
            counts += f"–{statistics[label]['count_max']:.0f}"
        fig.text(middle, 1 - (y + h + 0.03) / tall, f"hides {counts}", ha="center", va="top", fontsize=6, color="0.2")
    bar = max(h, 0.62)  # inches: its label needs as much
    left, middle = start + across * (cell + gap) - gap + 0.08, top + above + h / 2
    box = (left / wide, 1 - (middle + bar / 2) / tall, 0.07 / wide, bar / tall)
    colour_bar(fig, drawn, box, "share hidden").tick_params(labelsize=6)
    return low, high


def _alt(statistics: Mapping[str, Mapping[str, float]], x: str, y: str) -> str:
    rows = "; ".join(f"{label} {row[x]:.2f} and {row[y]:.2f}" for label, row in statistics.items())
    return f"{len(statistics)} masking strategies, {NAMES[x]} and {NAMES[y]}: {rows}. Below, where each of them hides."
