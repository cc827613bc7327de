"""Captions with hidden words: what was read, what was guessed in its place, and what stood there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.film import chosen_steps

FRAME, GAP, BETWEEN = 0.5, 0.03, 0.09  # inches: side of a frame, between frames, between words
LINE, THREE = 0.13, 0.43  # inches: of a line, of what was read, guessed and there
HIDDEN = "?"  # drawn where the caption had no word to read
SMALL = 6.5  # points


@drawing(pictures=("clips",))
def filled(
    clips: Any, captions: Sequence[Any], *, frames: int = 3, mask: str = "[MASK]", venue: str = "cvpr-full"
) -> Drawn:
    """One row a clip: frames of it, and its caption with hidden words in boxes; under each the guess with a tick, or
    with a cross and, below, the word that was there.

    clips: (K, 3, T, H, W) in [0, 1] or (K, T, H, W, 3) uint8. captions: K of `inspect.words.Filled`. mask: the piece
    that stands for a hidden word, drawn as "?"; another word in a box was put there instead. Raises ShapeError.
    """
    if clips.ndim != 5 or len(clips) != len(captions) or not captions:
        raise ShapeError(f"a caption for each clip (K, T, H, W, 3) is wanted, got {len(captions)} for {clips.shape}")
    steps = chosen_steps(clips.shape[1], frames)
    wide, tall = style.width(venue), FRAME * clips.shape[2] / clips.shape[3]
    left = len(steps) * (FRAME + GAP) + 0.1
    laid = [_lines(caption, mask, wide - left) for caption in captions]
    heights = [max(tall, len(lines) * THREE) + 0.08 for lines in laid]
    fig = Figure(figsize=(wide, sum(heights)))
    for number, (clip, lines) in enumerate(zip(clips, laid, strict=True)):
        top = sum(heights[:number]) + 0.03
        for column, step in enumerate(steps):
            x, y = column * (FRAME + GAP) + 0.01, sum(heights) - top - tall
            axes = fig.add_axes((x / wide, y / sum(heights), FRAME / wide, tall / sum(heights)))
            axes.imshow(clip[step], aspect="auto")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, linewidth=0.3, color="0.35")
        for row, line in enumerate(lines):
            x = left
            for words in line:
                _word(fig, x, top + row * THREE, words)
                x += _wide(words) + BETWEEN
    asked = [guess == word for c in captions for word, guess in zip(c["words"], c["guessed"], strict=True) if guess]
    told = "; ".join(" ".join(_told(caption)) for caption in captions)
    return Drawn(
        fig, f"{len(captions)} captions with hidden words, {sum(asked)} of {len(asked)} guessed right: {told}."
    )


def _lines(caption: dict[str, Any], mask: str, room: float) -> list[list[list[str]]]:
    """The words of a caption in lines that fit; each as what was read, what was guessed, what was there."""
    lines: list[list[list[str]]] = [[]]
    for word, read, guess in zip(caption["words"], caption["read"], caption["guessed"], strict=True):
        mark = "" if not guess else f"✓ {guess}" if guess == word else f"✗ {guess}"
        words = [HIDDEN if read == mask else read, mark, f"was {word}" if mark.startswith("✗") else ""]
        if lines[-1] and sum(_wide(one) + BETWEEN for one in [*lines[-1], words]) > room:
            lines.append([])
        lines[-1].append(words)
    return lines


def _wide(words: Sequence[str]) -> float:
    return max(0.12, *(style.text_width(part, SMALL) for part in words if part)) + 0.02


def _word(fig: Figure, x: float, y: float, words: Sequence[str]) -> None:
    wide, high = fig.get_size_inches()
    read, guess, was = words
    if guess:
        box = ((x - 0.03) / wide, 1 - (y + LINE + 0.005) / high)
        size = ((_wide(words) + 0.04) / wide, (LINE + 0.005) / high)
        look = {"facecolor": style.EMPTY, "edgecolor": "0.35", "linewidth": 0.4}
        fig.add_artist(Rectangle(box, *size, transform=fig.transFigure, **look))
    shade = style.VERMILION if was else style.BLUE
    for row, (part, colour) in enumerate(((read, "black"), (guess, shade), (was, "0.25"))):
        fig.text(
            x / wide, 1 - (y + (row + 0.55) * LINE) / high, part, fontsize=SMALL, color=colour, va="center_baseline"
        )


def _told(caption: dict[str, Any]) -> list[str]:
    """The caption with every guess in brackets."""
    rows = zip(caption["words"], caption["guessed"], strict=True)
    return [
        f"[{guess}, {'right' if guess == word else f'wrong, was {word}'}]" if guess else word for word, guess in rows
    ]
