"""Masks on a clip: one row per strategy, one column per step, its statistics under it. Figure 1 of most papers.

Hidden is grey. A composite mask shows more than two roles: what the first role sees is the picture itself, what only a
later role sees is tinted in that role's colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mvkit.errors import OptionError, ShapeError
from mvkit.tokens import TokenGrid
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.strip import Strip, chosen_steps, enlarge, tint

if TYPE_CHECKING:
    from mvkit.maskers.base import MaskSet, TokenMask

LOOKS = ("grey", "dim", "black")
# Statistics of mvkit.inspect.masks in the words of a figure, in the order they are printed.
NAMES = {
    "ratio": "hidden",
    "step_min": "visible/step",
    "place_leak": "place leak",
    "trajectory_leak": "trajectory leak",
    "border": "border",
    "motion_lift": "motion lift",
    "blind": "blind steps",
}


def rows(masks: Mapping[str, TokenMask | MaskSet], row: int = 0) -> dict[str, Any]:
    """Masks of one clip as `montage` takes them: `montage(clip, **rows({"tube": mask}))`."""
    maps = {label: role_map(mask, row) for label, mask in masks.items()}
    return {
        "masks": {label: values for label, (values, _) in maps.items()},
        "roles": {label: names for label, (_, names) in maps.items()},
    }


def role_map(mask: TokenMask | MaskSet, row: int = 0) -> tuple[np.ndarray, list[str]]:
    """Which role sees each token of one clip: (t, h, w) int8 and the names of the values.

    Value 0 is hidden from every role; value k > 0 is seen by role k-1 and by none before it. Raises ShapeError for a
    row outside the batch.
    """
    if not 0 <= row < len(mask.primary):
        raise ShapeError(f"row {row} lies outside a mask of {len(mask.primary)} clips")
    seen = np.zeros(mask.primary.grid.shape, np.int8)
    for value, role in reversed(list(enumerate(mask.roles.values(), start=1))):
        seen[~role.volume()[row].cpu().numpy()] = value
    return seen, ["hidden", *mask.roles]


@drawing(pictures=("clip",))
def montage(
    clip: Any,
    masks: Mapping[str, Any],
    *,
    roles: Mapping[str, Sequence[str]] | None = None,
    statistics: Mapping[str, Mapping[str, float]] | None = None,
    keys: Mapping[str, str] | None = None,
    look: str = "grey",
    columns: int | None = None,
    original: bool = True,
    venue: str = "cvpr-full",
) -> Drawn:
    """Rows = strategies, columns = steps of the grid.

    clip: (3, T, H, W) in [0, 1] or (T, H, W, 3) uint8. masks: label -> (t, h, w) values of `role_map`, 0 = hidden.
    roles: label -> names of the values, where there are more than hidden and visible. statistics: label -> what
    `inspect.masks.mask_statistics` found; those in NAMES are printed under the row. keys: label -> masker name, for its
    colour. look: what hiding looks like (grey, dim, black). columns: at most so many steps. original: a first row with
    the clip itself. Raises OptionError, ShapeError.
    """
    if look not in LOOKS:
        raise OptionError(f"look must be one of {', '.join(LOOKS)}, got '{look}'")
    if not masks:
        raise OptionError("a montage needs at least one mask: pass masks={'tube': role_map(mask)[0]}")
    grid = TokenGrid(*next(iter(masks.values())).shape)
    for label, values in masks.items():
        if values.shape != grid.shape or len(clip) % grid.t:
            raise ShapeError(f"mask '{label}' is {values.shape}, wanted {grid.shape} dividing a clip {clip.shape}")
    steps = chosen_steps(grid.t, columns)
    tubelet = len(clip) // grid.t
    labels = ["clip", *masks] if original else list(masks)
    told = [row for row, label in enumerate(labels) if label in (statistics or {})]
    sheet = Strip(
        len(labels), len(steps), shape=clip.shape[1:3], venue=venue, labels=labels, swatch=True, under=told
    )  # fmt: skip
    for column, step in enumerate(steps):
        sheet.title(column, f"step {step + 1}" if column == 0 else f"{step + 1}")
        if original:
            sheet.show(0, column, clip[step * tubelet])
    if original:
        sheet.label(0)
    for row, (label, values) in enumerate(masks.items(), start=int(original)):
        names = list((roles or {}).get(label, ("hidden", "visible")))
        sheet.label(row, colour=style.colour("masker", (keys or {}).get(label, label)))
        for column, step in enumerate(steps):
            sheet.show(row, column, _masked(clip[step * tubelet], values[step], names, look))
        if statistics and label in statistics:
            present = [name for value, name in enumerate(names) if value < 2 or (values == value).any()]
            sheet.under(row, _words(statistics[label], present))
    return Drawn(sheet.fig, _alt(masks, statistics, len(steps), look))


def _masked(frame: np.ndarray, values: np.ndarray, names: Sequence[str], look: str) -> np.ndarray:
    values = enlarge(values, *frame.shape[:2])
    picture = frame
    for value, name in enumerate(names[2:], start=2):
        picture = tint(picture, values == value, style.colour("role", name), 0.5)
    cover, strength = {"grey": (style.HIDDEN, 1.0), "dim": ("#FFFFFF", 0.75), "black": ("#000000", 1.0)}[look]
    return tint(picture, values == 0, cover, strength)


def _words(numbers: Mapping[str, float], names: Sequence[str]) -> str:
    parts = []
    for key, name in NAMES.items():
        if key == "step_min" and key in numbers:
            low, high = numbers["step_min"], numbers["step_max"]
            parts.append(f"{name} {low:.0f}" + (f"–{high:.0f}" if high > low else ""))
        elif np.isfinite(numbers.get(key, np.nan)) and (key != "blind" or numbers[key] > 0):
            parts.append(f"{name} {numbers[key]:.2f}")
    if len(names) > 2:
        words = [name.replace("_", " ") for name in names]
        parts.append(f"as it is: {words[1]}, tinted: {', '.join(words[2:])}")
    return "   ".join(parts)


def _alt(masks: Mapping[str, np.ndarray], statistics: Mapping[str, Any] | None, steps: int, look: str) -> str:
    shares = ", ".join(f"{label} hides {(values == 0).mean():.0%}" for label, values in masks.items())
    return f"Film strip of {steps} steps; hidden tokens are {look}. Rows: {shares}."
