"""Masks on a clip: one row per strategy, one column per step, its statistics under it. Figure 1 of most papers.

Hidden is grey. A composite mask has more than two roles: what the first role sees is the picture itself, what only a
later role sees is tinted and hatched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mvkit.errors import MaskError, OptionError, ShapeError, unknown
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.film import film
from mvkit.viz.marks import HATCHES, Swatch, border, enlarge, hatch, tint

if TYPE_CHECKING:
    from mvkit.maskers.base import MaskSet, TokenMask

LOOKS = {"grey": (style.HIDDEN, 1.0), "dim": ("#FFFFFF", 0.75), "black": (style.BLACK, 1.0)}  # what hiding looks like
TINT = 0.7  # of a role's pale colour over the picture: lighter than what is hidden, also over black
# What it means that a role sees a token, for a reader who does not know the strategy.
MEANING = {
    "encoder": "the encoder sees it", "student": "the student sees it", "teacher": "only the teacher sees it",
    "extra": "only the teacher sees it", "decoder": "hidden, the decoder predicts it",
    "short": "the encoder sees it", "short_target": "hidden, to be predicted",
    "long": "the second view sees it", "long_target": "hidden in the second view", "target": "hidden, to be predicted",
}  # fmt: skip
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
    colour. look: what hiding looks like, a name of LOOKS. columns: at most so many steps. original: a first row with
    the clip itself. Raises OptionError, ShapeError.
    """
    if look not in LOOKS:
        raise OptionError(unknown("look", look, LOOKS))
    keys, named = dict(keys or {}), dict(roles or {})
    told = {
        row: _words((statistics or {}).get(label, {})) + _key(values, named.get(label, ()), look)
        for row, (label, values) in enumerate(masks.items(), start=int(original))
    }
    sheet, steps = film(
        clip, masks, columns=columns, first="clip" if original else None, venue=venue, swatch=True, keys=told
    )
    for row, (label, values) in enumerate(masks.items(), start=int(original)):
        sheet.label(row, colour=style.colour("masker", keys.get(label, label)))
        names = named.get(label, ())
        for column, step in enumerate(steps):
            frame = clip[step * (len(clip) // len(values))]
            axes = sheet.show(row, column, _masked(frame, values[step], names, look))
            for value in range(2, len(names)):
                hatch(axes, values[step] == value, HATCHES[(value - 1) % len(HATCHES)], "black")
    return Drawn(sheet.fig, _alt(masks, len(steps), look))


@drawing(pictures=("clip",))
def nested(
    clip: Any, student: Any, teacher: Any, *, row: int = 0, columns: int | None = None, venue: str = "cvpr-full"
) -> Drawn:
    """What the student sees of a clip, and what the teacher sees besides; counted. Paper: AMD, arXiv:2311.03149.

    clip: (3, T, H, W) in [0, 1] or (T, H, W, 3) uint8. student, teacher: TokenMasks, or hidden tokens (B, t, h, w)
    bool, of which clip `row` is drawn. Raises MaskError if the student sees a token that the teacher does not,
    ShapeError.
    """
    if student.ndim != 4 or not 0 <= row < len(student) or student.shape != teacher.shape:
        raise ShapeError(f"masks must be two (B, t, h, w) with row {row}, got {student.shape} and {teacher.shape}")
    shared, seen = ~student[row], ~teacher[row]
    extra, hidden = seen & ~shared, ~seen
    if (shared & ~seen).any():
        raise MaskError(f"the student sees {(shared & ~seen).sum()} tokens that the teacher does not: swap the masks?")
    colour, more = style.colour("role", "student"), style.light(style.colour("role", "extra"))
    key = [
        Swatch(f"both see it: {_count(shared)}", edge=colour),
        Swatch(f"only the teacher sees it: {_count(extra)}", more, hatch=HATCHES[1]),
        Swatch(f"hidden from both: {_count(hidden)}", style.HIDDEN),
    ]
    maps = {"seen by the student": shared, "seen by the teacher": seen}
    notes = {label: f"{there.sum()} of {there.size}" for label, there in maps.items()}
    sheet, steps = film(clip, maps, columns=columns, first="clip", venue=venue, notes=notes, keys={2: key})
    for number, there in enumerate(maps.values(), start=1):
        sheet.label(number)
        for column, step in enumerate(steps):
            frame = clip[step * (len(clip) // len(seen))]
            covered = tint(frame, enlarge(~there[step], *frame.shape[:2]), style.HIDDEN, 1.0)
            if number == 2:
                covered = tint(covered, enlarge(extra[step], *frame.shape[:2]), more, TINT)
            axes = sheet.show(number, column, covered)
            if number == 2:
                hatch(axes, extra[step], HATCHES[1], "black")
            border(axes, shared[step], colour)
    alt = f"{len(steps)} steps of a clip. {'; '.join(swatch.words for swatch in key)}."
    return Drawn(sheet.fig, alt)


def _count(tokens: np.ndarray) -> str:
    """tokens: (t, h, w) bool -> "160 (20 a step)"; without the share where steps differ."""
    steps = tokens.sum((1, 2))
    return f"{tokens.sum()}" + (f" ({steps[0]} a step)" if len(set(steps)) == 1 and len(steps) > 1 else "")


def _masked(frame: np.ndarray, values: np.ndarray, names: Sequence[str], look: str) -> np.ndarray:
    values = enlarge(values, *frame.shape[:2])
    picture = frame
    for value, name in enumerate(names[2:], start=2):
        picture = tint(picture, values == value, style.light(style.colour("role", name)), TINT)
    return tint(picture, values == 0, *LOOKS[look])


def _key(values: np.ndarray, names: Sequence[str], look: str) -> list[Swatch]:
    """What a row with more than one role shows, in words."""
    if len(names) < 3:
        return []
    words = {value: MEANING.get(name, f"seen by {name}") for value, name in enumerate(names) if (values == value).any()}
    looks = {
        value: Swatch(
            text,
            style.light(style.colour("role", names[value])) if value > 1 else "white",
            hatch=HATCHES[(value - 1) % 4],
        )
        for value, text in words.items()
        if value
    }
    return [*looks.values(), *([Swatch("hidden", LOOKS[look][0])] if 0 in words else [])]


def _words(numbers: Mapping[str, float]) -> list[Swatch]:
    parts = []
    for key, name in NAMES.items():
        if key == "step_min" and key in numbers:
            low, high = numbers["step_min"], numbers["step_max"]
            parts.append(f"{name} {low:.0f}" + (f"–{high:.0f}" if high > low else ""))
        elif np.isfinite(numbers.get(key, np.nan)) and (key != "blind" or numbers[key] > 0):
            parts.append(f"{name} {numbers[key]:.2f}")
    return [Swatch(words, face="") for words in parts]


def _alt(masks: Mapping[str, np.ndarray], steps: int, look: str) -> str:
    shares = ", ".join(f"{label} hides {(values == 0).mean():.0%}" for label, values in masks.items())
    return f"Film strip of {steps} steps; hidden tokens are {look}. Rows: {shares}."
