"""Layer by layer: how alike every layer of one model is to every layer of another."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.strip import colour_bar, show_missing


@drawing()
def matrices(
    matrices: Mapping[str, Any],
    *,
    rows: Sequence[int],
    columns: Mapping[str, Sequence[int]],
    model: str = "student",
    trained: Mapping[str, Sequence[Sequence[int]]] | None = None,
    what: str = "CKA",
    venue: str = "cvpr-column",
) -> Drawn:
    """One matrix for each other model, the first layers at the lower left; pairs that a loss ties together are framed.

    matrices: label -> (L rows, L columns), of `inspect.cka.between`, NaN hatched. rows: the blocks of `model`; columns:
    label -> the blocks of that model. trained: label -> pairs (block of `model`, block of that model). Colours from 0,
    or the smallest value if that is less, to 1. Values are written where there is room. Raises ShapeError.
    """
    trained = dict(trained or {})
    for label, values in matrices.items():
        if values.shape != (len(rows), len(columns.get(label, ()))):
            raise ShapeError(
                f"'{label}' is {values.shape}, wanted ({len(rows)}, {len(columns.get(label, ()))}) as (rows, columns)"
            )
        for pair in trained.get(label, ()):
            if pair[0] not in rows or pair[1] not in columns[label]:
                raise ShapeError(f"pair {tuple(pair)} of '{label}' is not among blocks {rows} and {columns[label]}")
    if not matrices or set(trained) - set(matrices):
        raise ShapeError(f"nothing to draw for {sorted(trained)}: pass at least one matrix, got {list(matrices)}")
    low = min(0.0, *(float(np.nanmin(values)) for values in matrices.values() if np.isfinite(values).any()), 0.0)
    wide, left, gap, bar = style.width(venue), 0.42, 0.3, 0.5
    side = min((wide - left - bar - (len(matrices) - 1) * gap) / len(matrices), 1.9)
    heads = {label: textwrap.fill(label, max(6, int(side / 0.06)), break_long_words=False) for label in matrices}
    wide = min(wide, left + len(matrices) * (side + gap) - gap + bar)
    high = side + 0.36 + 0.12 * max(head.count("\n") for head in heads.values()) + 0.14 * any(trained.values()) + 0.06
    fig = Figure(figsize=(wide, high))
    image, top = None, 0.05
    for number, (label, values) in enumerate(matrices.items()):
        box = ((left + number * (side + gap)) / wide, 1 - (top + side) / high, side / wide, side / high)
        axes = fig.add_axes(box)
        image = _matrix(axes, values, low, side)
        _ticks(axes, rows, columns[label], side)
        axes.set_xlabel(f"block of {heads[label]}")
        if number == 0:
            axes.set_ylabel(f"block of {model}")
        for pair in trained.get(label, ()):
            _frame(axes, rows.index(pair[0]), list(columns[label]).index(pair[1]))
    used = left + len(matrices) * (side + gap) - gap
    colour_bar(fig, image, ((used + 0.07) / wide, 1 - (top + side) / high, 0.07 / wide, side / high), what, ticks=5)
    if any(trained.values()):
        fig.text(left / wide, 0.03 / high, "framed: pairs that the loss ties together", fontsize=6.5, color="0.2")
    return Drawn(fig, _alt(matrices, rows, columns, model, what), {what: (low, 1.0)})


def _matrix(axes: Axes, values: np.ndarray, low: float, side: float) -> Any:
    show_missing(axes)
    image = axes.imshow(
        np.ma.masked_invalid(values), cmap=style.MAPS["error"], vmin=low, vmax=1, origin="lower", aspect="auto"
    )
    axes.spines[:].set_visible(True)
    if side / max(values.shape) >= 0.22:
        for (y, x), value in np.ndenumerate(values):
            if np.isfinite(value):
                dark = (value - low) / (1 - low) < 0.6
                axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=6, color="w" if dark else "k")
    return image


def _ticks(axes: Axes, rows: Sequence[int], columns: Sequence[int], side: float) -> None:
    for axis, blocks in ((axes.yaxis, rows), (axes.xaxis, columns)):
        every = -(-len(blocks) // max(1, int(side / 0.16)))
        axis.set_ticks(range(0, len(blocks), every), [str(block) for block in blocks[::every]])


def _frame(axes: Axes, row: int, column: int) -> None:
    for line, edge in ((2.2, "black"), (1.0, "white")):
        axes.add_patch(Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, edgecolor=edge, linewidth=line))


def _alt(
    matrices: Mapping[str, np.ndarray],
    rows: Sequence[int],
    columns: Mapping[str, Sequence[int]],
    model: str,
    what: str,
) -> str:
    said = []
    for label, values in matrices.items():
        if not np.isfinite(values).any():
            continue
        row, column = divmod(int(np.nanargmax(values)), values.shape[1])
        said.append(
            f"{label}: most alike block {rows[row]} and its block {columns[label][column]}, {np.nanmax(values):.2f}; "
            f"last two {values[-1, -1]:.2f}"
        )
    return f"{what} between the blocks of {model} and of others. " + ". ".join(said) + "."
