"""Attention over the steps of a clip: where a token looks, what a masked loss keeps of it, what a mask makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm
from typing import Any

import numpy as np

from mvkit.errors import OptionError, ShapeError
from mvkit.tokens import TokenGrid
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.film import film, grid_of
from mvkit.viz.marks import Swatch, border, enlarge, outline, tint

DROPPED = 0.72  # of white over what is visible but not kept


@drawing(pictures=("clip",))
def query_maps(
    clip: Any,
    maps: Mapping[str, Any],
    query: Sequence[int] | None = None,
    *,
    marked: Mapping[str, Any] | None = None,
    columns: int | None = None,
    relative: bool = True,
    scale: str = "shared",
    quantile: float = 0.995,
    venue: str = "cvpr-full",
) -> Drawn:
    """First row the clip with the query token outlined, then one row of heat maps for each of `maps`.

    clip: (3, T, H, W) in [0, 1] or uint8 frames. maps: label -> (t, h, w), NaN where hidden (drawn hatched); models may
    differ in their grids. query: (t, y, x) on the grid of the first map, None for maps that no one token asked. marked:
    label -> (t, h, w) bool, tokens of that map to outline. relative: in multiples of uniform attention, so that maps
    over different numbers of tokens compare. scale: "shared", one colour scale for all maps, or "row", one each; from 0
    to the given quantile, so that one peak, often the query itself, does not turn the rest dark. Raises ShapeError,
    OptionError.
    """
    if scale not in ("shared", "row"):
        raise OptionError(f"scale must be shared or row, got {scale!r}")
    if relative:
        maps = {label: part * np.isfinite(part).sum() for label, part in maps.items()}
    on_one, marked = _on_one_grid(maps), dict(marked or {})
    asked, fine = (TokenGrid(*next(iter(group.values())).shape) for group in (maps, on_one))
    wanted = None if query is None else asked.place(asked.index(*query))[0] * (fine.t // asked.t)
    tops = colour_tops(maps, shared=scale == "shared", quantile=quantile)
    notes = {label: f"0 to {tops[label]:.2g}" for label in maps} if scale == "row" else None
    first = "clip" if query is None else "clip and query"
    sheet, steps = film(
        clip, on_one, columns=columns, first=first, wanted=wanted, venue=venue, notes=notes,
        bar=0.5 if scale == "shared" else 0.0,
    )  # fmt: skip
    drawn = None
    for row, (label, part) in enumerate(on_one.items(), start=1):
        sheet.label(row)
        for column, step in enumerate(steps):
            axes = sheet.show(row, column, part[step], cmap=style.MAPS["attention"], vmin=0, vmax=tops[label])
            drawn = axes.images[0]
            if label in marked:
                own = marked[label]
                border(axes, own[step * len(own) // len(part)] > 0, "white", cased=True)
    if query is not None and wanted in steps:
        for axes in sheet.column_axes(steps.index(wanted)):
            outline(axes, asked, query[1], query[2])
    if scale == "shared":
        sheet.colour_bar(1, len(maps), drawn, "× uniform" if relative else "attention")
    limits = {"attention": next(iter(tops.values()))} if scale == "shared" else tops
    return Drawn(sheet.fig, _alt(maps, query, asked), {name: (0.0, top) for name, top in limits.items()})


def colour_tops(maps: Mapping[str, np.ndarray], *, shared: bool, quantile: float = 0.995) -> dict[str, float]:
    """Label -> the value that takes the last colour: this quantile of all maps, or of each; 1 where all is hidden."""
    if shared:
        return dict.fromkeys(maps, _top(list(maps.values()), quantile))
    return {label: _top([part], quantile) for label, part in maps.items()}


@drawing(pictures=("clip",))
def kept(
    clip: Any,
    kept: Mapping[str, Any],
    *,
    query: Sequence[int] | None = None,
    values: Mapping[str, Any] | None = None,
    roles: Mapping[str, str] | None = None,
    columns: int | None = None,
    venue: str = "cvpr-full",
) -> Drawn:
    """Which of the visible tokens a second masking keeps: rows = levels. Paper: MaskAgain, ACM MM 2023.

    clip: (3, T, H, W) in [0, 1] or uint8 frames. kept: label -> (t, h, w), NaN where hidden, 0 where seen but dropped,
    above 0 where kept (`inspect.attention.on_grid` makes it from (B, V)). query: (t, y, x) of the token whose keys are
    kept, outlined. values: label -> (t, h, w) that the choice was made by, attention of the query or activation: then
    the row shows this heat, each row on its own scale, instead of the picture. roles: label -> role (global, local,
    output), for the colour of its outlines. Raises ShapeError.
    """
    grid = grid_of(clip, {**kept, **(values or {})})
    if query is not None:
        grid.index(*query)
    first = next(iter(kept.values()))
    seen = np.isfinite(first)
    key = [
        Swatch("outlined: kept"),
        Swatch("seen, but dropped", "#3B528B" if values else "#DDDDDD"),
        Swatch("hidden, hatched in the heat" if values else "hidden", style.HIDDEN),
    ]
    if query is not None:
        key.insert(0, Swatch("the query", style.QUERY))
    rows = {"visible": np.where(seen, 1.0, np.nan), **kept}
    notes = {label: _share(np.nan_to_num(part) > 0, seen) for label, part in kept.items()}
    notes = {"visible": f"{seen.sum()} of {seen.size}", **notes}
    sheet, steps = film(
        clip,
        rows,
        columns=columns,
        first="clip",
        venue=venue,
        notes=notes,
        keys={len(rows): key},
        wanted=query[0] if query is not None else None,
    )
    for row, (label, part) in enumerate(rows.items(), start=1):
        chosen, level = np.nan_to_num(part) > 0, (roles or {}).get(label, label)
        sheet.label(row)
        heat = (values or {}).get(label)
        for column, step in enumerate(steps):
            if heat is not None:
                options = {"cmap": style.MAPS["attention"], "vmin": 0, "vmax": _top([heat], 0.995)}
                axes = sheet.show(row, column, np.where(seen, heat, np.nan)[step], **options)
            else:
                frame = clip[step * (len(clip) // grid.t)]
                size = frame.shape[:2]
                frame = tint(frame, enlarge((seen & ~chosen)[step], *size), "#FFFFFF", DROPPED)
                axes = sheet.show(row, column, tint(frame, enlarge(~seen[step], *size), style.HIDDEN, 1.0))
            if row > 1:
                border(axes, chosen[step], style.colour("role", level), cased=True)
    if query is not None and query[0] in steps:
        for axes in sheet.column_axes(steps.index(query[0])):
            outline(axes, grid, query[1], query[2])
    told = "; ".join(f"{label} {note}" for label, note in notes.items()).replace("\n", ", ")
    return Drawn(sheet.fig, f"Tokens kept of those visible, over {len(steps)} steps of a clip: {told}.")


@drawing(pictures=("clip",))
def sampled(
    clip: Any,
    attention: Any,
    masks: Mapping[str, Any],
    *,
    row: int = 0,
    columns: int | None = None,
    quantile: float = 0.995,
    venue: str = "cvpr-full",
) -> Drawn:
    """A teacher's attention as heat over the frames, below it masks drawn from it. Paper: UMT, arXiv:2303.16058.

    clip: (3, T, H, W) in [0, 1] or uint8 frames. attention: (B, t, h, w) or (B, t, h*w), of a class token to the
    tokens of its own step. masks: label -> TokenMask or hidden tokens (B, t, h, w) bool; under each label, which share
    of the tokens is visible and which share of the attention falls on them. row: the clip of the batch. Raises
    ShapeError.
    """
    hidden = {label: mask[row] for label, mask in masks.items()}
    grid = grid_of(clip, hidden)
    if attention[row].size != grid.tokens or len(attention[row]) != grid.t:
        raise ShapeError(f"attention {attention.shape} must be (B, {grid.t}, {grid.h}, {grid.w}) as the masks are")
    # Each step sums to 1 less what the class token gives itself; relative to uniform the steps compare.
    heat = attention[row].reshape(grid.shape)
    heat = heat / heat.mean((1, 2), keepdims=True)
    top = _top([heat], quantile)
    maps = {"attention of the teacher": heat, **hidden}
    notes = {
        label: f"{(~mask).mean():.0%} of tokens\n{heat[~mask].sum() / heat.sum():.0%} of attention"
        for label, mask in hidden.items()
    }
    sheet, steps = film(clip, maps, columns=columns, first="clip", venue=venue, bar=0.5, notes=notes)
    drawn = None
    sheet.label(1)
    for column, step in enumerate(steps):
        drawn = sheet.show(1, column, heat[step], cmap=style.MAPS["attention"], vmin=0, vmax=top).images[0]
    for number, mask in enumerate(hidden.values(), start=2):
        sheet.label(number)
        for column, step in enumerate(steps):
            frame = clip[step * (len(clip) // grid.t)]
            sheet.show(number, column, tint(frame, enlarge(mask[step], *frame.shape[:2]), style.HIDDEN, 1.0))
    sheet.colour_bar(1, 1, drawn, "× uniform")
    told = "; ".join(f"{label} {note}" for label, note in notes.items()).replace("\n", ", ")
    alt = f"Attention of a teacher over {len(steps)} steps and masks drawn from it. Visible: {told}."
    return Drawn(sheet.fig, alt, {"attention": (0.0, top)})


def _top(maps: Sequence[np.ndarray], quantile: float) -> float:
    values = np.concatenate([part.ravel() for part in maps])
    values = values[np.isfinite(values)]
    return max(float(np.quantile(values, quantile)), 1e-9) if len(values) else 1.0


def _share(chosen: np.ndarray, seen: np.ndarray) -> str:
    """chosen, seen: (t, h, w) bool -> "5 of 40", "0 to 2 a step"."""
    steps = chosen.sum((1, 2))
    low, high = steps.min(), steps.max()
    return f"{chosen.sum()} of {seen.sum()}\n" + (f"{low} a step" if low == high else f"{low} to {high} a step")


def _on_one_grid(maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Maps (t, h, w) of any grids, each token repeated until all have one grid; (t, h, w) alike stay as they are."""
    if not maps:
        raise OptionError("nothing to draw: pass at least one map of shape (t, h, w) beside the clip")
    if any(part.ndim != 3 for part in maps.values()):
        raise ShapeError(f"maps must be (t, h, w), got {', '.join(f'{k} {v.shape}' for k, v in maps.items())}")
    fine = [lcm(*(part.shape[axis] for part in maps.values())) for axis in range(3)]
    joined = {}
    for label, part in maps.items():
        for axis in range(3):
            part = part.repeat(fine[axis] // part.shape[axis], axis)
        joined[label] = part
    return joined


def _alt(maps: Mapping[str, np.ndarray], query: Sequence[int] | None, grid: TokenGrid) -> str:
    if query is None:
        peaks = [f"{label}: {np.nan_to_num(part).max():.2g}" for label, part in maps.items()]
        return f"Attention over a {grid}, of no one token. Largest value of each row: {', '.join(peaks)}."
    shares = []
    for label, part in maps.items():
        step = query[0] * len(part) // grid.t
        whole = np.nansum(part)
        shares.append(f"{label}: " + (f"{np.nansum(part[step]) / whole:.0%}" if whole else "none"))
    return (
        f"Attention of the token at step {query[0] + 1}, row {query[1] + 1}, column {query[2] + 1} of a {grid}. "
        f"Share of it that stays in the query's own step: {', '.join(shares)}."
    )
