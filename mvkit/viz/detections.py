"""What a detector says of each box, beside what is so: the clips it got most right and most wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.film import chosen_steps
from mvkit.viz.strip import Strip

RIGHT, WRONG, MISSED = style.BLUE, style.VERMILION, style.YELLOW
_DASHES = {RIGHT: "-", WRONG: (0, (3, 1.5)), MISSED: (0, (1, 1))}
KEY = "boxes of the keyframe: solid correct, dashed wrong, dotted not found"


@drawing(pictures=("clips",))
def examples(
    clips: Any,
    found: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    *,
    frames: int = 3,
    across: int = 2,
    venue: str = "cvpr-full",
) -> Drawn:
    """Clips as strips with the boxes of their keyframe, `across` strips side by side, what was said of them below.

    clips: (K, 3, T, H, W) in [0, 1] or (K, T, H, W, 3) uint8, the keyframe at T // 2. found: for each, `boxes` (n, 4)
    shares of the frame, `said` and `true` (n,) texts, `right` (n,) bool, `missed` (m, 4). labels: one for each row.
    Raises ShapeError.
    """
    rows = -(-len(clips) // across)
    if clips.ndim != 5 or len(found) != len(clips) or len(labels) != rows:
        raise ShapeError(
            f"wanted clips (K, T, H, W, 3), as many finds and a label for each row of {across}, got {clips.shape}, "
            f"{len(found)} finds and {len(labels)} labels"
        )
    middle = clips.shape[1] // 2
    steps = chosen_steps(clips.shape[1], frames, middle)
    most = max((len(one["said"]) + (len(one["missed"]) > 0) for one in found), default=0)
    sheet = Strip(
        rows, len(steps) * across, shape=clips.shape[2:4], venue=venue, groups=across, labels=labels,
        under=dict.fromkeys(range(rows), max(1, most)), titles=1 + (style.width(venue) < 5),
    )  # fmt: skip
    for number, (clip, one) in enumerate(zip(clips, found, strict=True)):
        row, first = number // across, number % across * len(steps)
        for column, step in enumerate(steps):
            axes = sheet.show(row, first + column, clip[step])
            if step == middle:
                _boxes(axes, one)
        sheet.under(row, "\n".join(_told(one, sheet.letters(len(steps)))), column=first)
    for row in range(rows):
        sheet.label(row)
    sheet.title(0, KEY, span=len(steps) * across)
    told = "; ".join(", ".join(_told(one, 200)) for one in found)
    return Drawn(sheet.fig, f"{len(clips)} clips with boxes. {told}.")


def _boxes(axes: Axes, one: Mapping[str, Any]) -> None:
    marked = [(box, MISSED, "") for box in one["missed"]]
    marked += [
        (box, RIGHT if right else WRONG, str(number) if len(one["boxes"]) > 1 else "")
        for number, (box, right) in enumerate(zip(one["boxes"], one["right"], strict=True), 1)
    ]
    for (left, top, right, bottom), colour, number in marked:
        casing = "black" if colour == MISSED else "white"
        for wide, shade, line in ((2.2, casing, "-"), (1.2, colour, _DASHES[colour])):
            look = {"fill": False, "edgecolor": shade, "linewidth": wide, "linestyle": line}
            axes.add_patch(Rectangle((left, top), right - left, bottom - top, **look))
        if number:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
            axes.text(left + 0.02, top + 0.03, number, fontsize=5.5, ha="left", va="top", bbox=box, color=colour)


def _told(one: Mapping[str, Any], letters: int) -> list[str]:
    """One line for each box: what was said, and what is so where that is something else."""
    lines = []
    for number, (said, true, right) in enumerate(zip(one["said"], one["true"], one["right"], strict=True), 1):
        name = f"{number}: " if len(one["said"]) > 1 else ""
        lines.append(f"{name}{said}" + (", correct" if right else f", is {true}"))
    if len(one["missed"]):
        lines.append(f"{len(one['missed'])} not found")
    return [textwrap.shorten(line, letters, placeholder=" ...") for line in lines] or ["nothing found"]
