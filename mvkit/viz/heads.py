"""Heads of attention side by side: what each looks at, and how far, how long and how widely it looks, by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mvkit.errors import OptionError, ShapeError
from mvkit.tokens import TokenGrid
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.legend import MARKERS
from mvkit.viz.marks import Swatch, border, outline
from mvkit.viz.strip import Strip, broken

PANELS = {  # field of `inspect.attention_distance.AttentionDistance` -> what its axis says
    "space": "distance, pixels",
    "time": "distance, seconds",
    "other_steps": "share in other steps",
    "entropy": "entropy / uniform",
}


@drawing(pictures=("clip",))
def grid(
    clip: Any,
    maps: Mapping[str, Any],
    query: Sequence[int] | None = None,
    *,
    step: int | None = None,
    marked: Mapping[str, Any] | None = None,
    quantile: float = 0.995,
    venue: str = "cvpr-full",
) -> Drawn:
    """One row a block, one column a head; each cell is what that head looks at in one step, on one colour scale.

    clip: (3, T, H, W) in [0, 1] or uint8 frames. maps: label -> (heads, t, h, w), NaN where hidden (drawn hatched).
    query: (t, y, x), outlined. step: which one is shown, by default the query's; None without a query sums all steps.
    marked: label -> (heads, t, h, w) bool, tokens to outline (`inspect.attention.holding`), of a step only. Values are
    in multiples of uniform attention. Raises ShapeError, OptionError.
    """
    shape = next(iter(maps.values())).shape if maps else ()
    if len(shape) != 4 or any(part.shape != shape for part in maps.values()):
        said = {label: part.shape for label, part in maps.items()}
        raise ShapeError(f"maps of heads must be one or more alike (heads, t, h, w), got {said}")
    tokens = TokenGrid(*shape[1:])
    if query is not None:
        tokens.index(*query)
        step = query[0] if step is None else step
    if step is not None and not 0 <= step < tokens.t:
        raise OptionError(f"step {step} is outside this clip of {tokens.t} steps")
    if step is None and marked:
        raise OptionError("tokens are marked in one step: name it, step=0 for the first")
    cells = {label: _of_step(part, step) for label, part in maps.items()}
    finite = np.concatenate([part[np.isfinite(part)] for part in cells.values()])
    top = max(float(np.quantile(finite, quantile)), 1e-9) if len(finite) else 1.0
    frame = clip[(step or 0) * (len(clip) // tokens.t)]
    sheet = Strip(len(maps), 1 + shape[0], shape=frame.shape[:2], labels=list(maps), venue=venue, bar=0.5, titles=1)
    drawn = None
    for row, (label, part) in enumerate(cells.items()):
        sheet.label(row)
        axes = sheet.show(row, 0, frame)
        if row == 0:
            sheet.title(0, "clip" if step is None else f"step {step + 1}")
        if query is not None and query[0] == step:
            outline(axes, tokens, query[1], query[2])
        for head in range(shape[0]):
            if row == 0:
                sheet.title(1 + head, f"head {head + 1}" if head == 0 or shape[0] <= 6 else f"{head + 1}")
            axes = sheet.show(row, 1 + head, part[head], cmap=style.MAPS["attention"], vmin=0, vmax=top)
            drawn = axes.images[0]
            if marked and label in marked:
                border(axes, marked[label][head, step] > 0, "white", cased=True)
            if query is not None and query[0] == step:
                outline(axes, tokens, query[1], query[2])
    sheet.colour_bar(0, len(maps) - 1, drawn, "× uniform")
    return Drawn(sheet.fig, _told(cells, query, step, tokens), {"attention": (0.0, top)})


@drawing()
def distances(
    values: Mapping[str, Mapping[str, Any]],
    uniform: Mapping[str, Mapping[str, float]] | None = None,
    *,
    blocks: Mapping[str, Sequence[int]] | None = None,
    roles: Mapping[str, str] | None = None,
    venue: str = "cvpr-full",
) -> Drawn:
    """How far, how long and how widely the heads of every block look: a dot a head, a line at their mean.

    values: model -> measure of `PANELS` -> (L, heads). uniform: model -> measure -> the same of uniform attention, a
    dotted line. blocks: model -> their numbers, 1 to L by default. roles: model -> role or method, for its colour.
    `of_distances` makes all but roles. A model that is 0 throughout a panel, as an image encoder is in time, is left
    out of it where others are not. Paper: arXiv:2108.08810. Raises ShapeError.
    """
    measures = [name for name in PANELS if all(name in found for found in values.values())]
    shapes = {found[name].shape for found in values.values() for name in measures}
    if not values or not measures or any(len(shape) != 2 for shape in shapes):
        raise ShapeError(f"distances need model -> measure of {list(PANELS)} -> (blocks, heads), got {sorted(shapes)}")
    numbers = {model: list((blocks or {}).get(model) or range(1, len(found[measures[0]]) + 1))
               for model, found in values.items()}  # fmt: skip
    wide, left, gap, high = style.width(venue), 0.4, 0.46, 1.3
    across = max(1, min(len(measures), int((wide - left + gap) / (1.15 + gap))))
    rows = -(-len(measures) // across)
    side = (wide - left - 0.05 - (across - 1) * gap) / across
    entries = [Swatch(name, "white") for name in [*values, "uniform"]]
    key = broken(entries, wide - 0.2)
    above = len(key) * 0.135 + 0.24
    tall = above + rows * (high + 0.5) - 0.16
    fig = Figure(figsize=(wide, tall))
    looks = {model: (style.colour("encoder", (roles or {}).get(model, model)), MARKERS[n % len(MARKERS)])
             for n, model in enumerate(values)}  # fmt: skip
    for number, name in enumerate(measures):
        row, column = divmod(number, across)
        x, y = left + column * (side + gap), above + row * (high + 0.5)
        axes = fig.add_axes((x / wide, 1 - (y + high) / tall, side / wide, high / tall))
        _panel(axes, name, values, uniform or {}, numbers, looks)
        axes.set_title(PANELS[name], loc="left")
        if row == rows - 1 or number + across >= len(measures):
            axes.set_xlabel("block")
    handles = [
        Line2D([], [], color=shade, marker=mark, markersize=3, label=model) for model, (shade, mark) in looks.items()
    ]
    handles += [Line2D([], [], color="0.3", linestyle=":", label="uniform")]
    for number, line in enumerate(key):
        first = sum(map(len, key[:number]))
        fig.legend(
            handles=handles[first : first + len(line)], loc="upper left", ncols=len(line), borderpad=0,
            bbox_to_anchor=(0.05 / wide, 1 - (number * 0.135 + 0.02) / tall), borderaxespad=0, columnspacing=1.2,
        )  # fmt: skip
    return Drawn(fig, _spread(values, measures))


def of_distances(found: Mapping[str, Any]) -> dict[str, Any]:
    """model -> AttentionDistance, or several of other clips, as `distances` takes them: the mean over all clips."""
    several = {model: one if isinstance(one, Sequence) else [one] for model, one in found.items()}

    def mean(model: str, name: str) -> np.ndarray:
        return np.concatenate([np.asarray(getattr(one, name).cpu()) for one in several[model]], axis=-2).mean(-2)

    def level(model: str, name: str) -> float:
        return float(
            np.concatenate([np.asarray(getattr(one, f"uniform_{name}").cpu()) for one in several[model]]).mean()
        )

    return {
        "values": {model: {name: mean(model, name) for name in PANELS} for model in several},
        "uniform": {
            model: {"entropy": 1.0} | {name: level(model, name) for name in PANELS if name != "entropy"}
            for model in several
        },
        "blocks": {model: list(group[0].blocks) for model, group in several.items()},
    }


def _panel(
    axes: Axes,
    name: str,
    values: Mapping[str, Mapping[str, np.ndarray]],
    uniform: Mapping[str, Mapping[str, float]],
    numbers: Mapping[str, Sequence[int]],
    looks: Mapping[str, tuple[str, str]],
) -> None:
    moves = {model: bool(found[name].any()) for model, found in values.items()}
    drawn = [model for model in values if moves[model] or not any(moves.values())]
    for place, (model, found) in enumerate(values.items()):
        if model not in drawn:
            continue
        (shade, mark), dots = looks[model], found[name]
        # Side by side, so that heads of two models do not cover each other.
        at = np.array(numbers[model]) + (place - (len(values) - 1) / 2) * 0.16
        axes.plot(np.repeat(at, dots.shape[1]), dots.ravel(), mark, color=shade, markersize=2, alpha=0.55, mew=0)
        axes.plot(at, dots.mean(1), color=shade, marker=mark, markersize=3.2, mec="black", mew=0.4)
    levels = {model: found[name] for model, found in uniform.items() if name in found and model in drawn}
    alike = len({round(level, 6) for level in levels.values()}) == 1
    for model, level in levels.items():
        axes.axhline(level, color="0.3" if alike else looks[model][0], linewidth=0.9, linestyle=":", zorder=1)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.locator_params(axis="y", nbins=5)
    axes.margins(x=0.06, y=0.08)
    axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))


def _of_step(part: np.ndarray, step: int | None) -> np.ndarray:
    """(heads, t, h, w) -> (heads, h, w) in multiples of uniform attention, of one step or the mean of all."""
    seen = np.isfinite(part)
    part = part * seen.sum((1, 2, 3), keepdims=True)
    if step is not None:
        return part[:, step]
    count = seen.sum(1)
    return np.where(count, np.nan_to_num(part).sum(1) / np.maximum(count, 1), np.nan)


def _told(cells: Mapping[str, np.ndarray], query: Sequence[int] | None, step: int | None, tokens: TokenGrid) -> str:
    who = "" if query is None else f" of the token in row {query[1] + 1}, column {query[2] + 1} of step {query[0] + 1}"
    where = "mean of all steps" if step is None else f"step {step + 1}"
    peaks = [
        f"{label} " + " ".join(f"{np.nan_to_num(head).max():.2g}" for head in part) for label, part in cells.items()
    ]
    return (
        f"Attention{who} by block and head on a {tokens}, {where}, in multiples of uniform attention. "
        f"Largest value of each head: {'; '.join(peaks)}."
    )


def _spread(values: Mapping[str, Mapping[str, np.ndarray]], measures: Sequence[str]) -> str:
    rows = []
    for model, found in values.items():
        ends = [f"{PANELS[name]} {found[name][0].mean():.3g} to {found[name][-1].mean():.3g}" for name in measures]
        rows.append(f"{model}, mean of the heads from first to last block: {', '.join(ends)}")
    return "Attention by depth. " + "; ".join(rows) + "."
