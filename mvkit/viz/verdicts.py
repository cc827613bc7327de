"""What was said of clips beside what is so: strips of frames with the words below, a row for every rule."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mvkit.errors import ShapeError
from mvkit.viz import detections, gallery
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.film import chosen_steps
from mvkit.viz.strip import Strip

if TYPE_CHECKING:
    from mvkit.inspect.evaluated import Examples

_ANSWERS = (
    "Chosen by rule, not by hand: the correct answers with the highest score, the one whose true answer has the median "
    "score, the correct answers with the lowest score, the wrong ones with the highest; of one scene only the first."
)
_RANKS = (
    "Captions chosen by rule, not by hand: those of the best, the median and the worst rank by cosine, and the "
    "clips found for each; the right one stands last where it is not among the first."
)
_MARGINS = (
    "Keyframes chosen by rule, not by hand: the highest and the lowest margins, which are the score of what a box does "
    "less that of anything else; a keyframe counts as the worst of its boxes, of one scene only the first is taken."
)
LINES = 2  # of a question or an answer; what is longer ends in dots


@drawing(pictures=("told",))
def examples(
    told: Mapping[str, Sequence[Mapping[str, Any]]], *, frames: int = 4, across: int = 2, venue: str = "cvpr-full"
) -> Drawn:
    """A row for each rule, `across` strips of `frames` frames side by side.

    told: rule -> at most `across` of `inspect.told.Told`, of clips of one size. Raises ShapeError.
    """
    everything = [one for row in told.values() for one in row]
    if not everything or max(map(len, told.values())) > across or len({one["clip"].shape for one in everything}) > 1:
        counts = {rule: len(row) for rule, row in told.items()}
        raise ShapeError(f"wanted up to {across} clips of one size for each rule, got {counts or 'nothing'}")
    shape = everything[0]["clip"].shape
    steps = chosen_steps(shape[0], frames)
    options: dict[str, Any] = {"shape": shape[1:3], "labels": list(told), "venue": venue, "groups": across, "titles": 0}
    letters = Strip(len(told), len(steps) * across, **options).letters(len(steps))
    words = {rule: [_words(one, letters) for one in row] for rule, row in told.items()}
    under = {number: max(map(len, lines)) for number, lines in enumerate(words.values())}
    sheet = Strip(len(told), len(steps) * across, under=under, **options)
    for row, (rule, some) in enumerate(told.items()):
        sheet.label(row)
        for number, one in enumerate(some):
            first = number * len(steps)
            for column, step in enumerate(steps, start=first):
                sheet.show(row, column, one["clip"][step])
            sheet.under(row, "\n".join(words[rule][number]), column=first)
    spoken = "; ".join(f"{rule}: {' '.join(_words(one, 400))}" for rule, some in told.items() for one in some)
    return Drawn(sheet.fig, f"{len(everything)} clips and what was said of them. {spoken}.")


def of_task(found: Examples) -> dict[str, Any]:
    """The examples of a task as it wants them drawn, and the rule they were chosen by: arguments of `Album.add`."""
    rules: dict[str, Any] = dict(found)
    first = next(iter(rules.values()))
    if isinstance(first, tuple):
        queries, clips = ({rank: pair[place] for rank, pair in rules.items()} for place in (0, 1))
        return {"drawn": gallery.stills(queries, clips), "caption": _RANKS}
    if hasattr(first[0], "marks"):
        shown, across = (
            [one for some in rules.values() for one in some],
            2 - any(len(some) % 2 for some in rules.values()),
        )
        labels = [rule for rule, some in rules.items() for _ in some[::across]]
        marks = [one.marks for one in shown]
        drawn = detections.examples(np.stack([one.clip for one in shown]), marks, labels, across=across)
        return {"drawn": drawn, "caption": _MARGINS}
    return {"drawn": examples(rules), "caption": _ANSWERS}


def _words(one: Mapping[str, Any], letters: int) -> list[str]:
    said = f"{'correct' if one['right'] else 'wrong'} {one['sure']:.2f}: {one['said']}"
    parts = [one["asked"], said, "" if one["right"] else f"true {one['own']:.2f}: {one['true']}"]
    return [line for part in parts for line in textwrap.wrap(part, letters, max_lines=LINES, placeholder=" ...")]
