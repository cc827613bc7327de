"""Clips on a plane, one panel an encoder, every label with a colour and a mark; the numbers printed above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from mvkit.errors import OptionError, ShapeError
from mvkit.viz import style
from mvkit.viz.drawing import Drawn, drawing
from mvkit.viz.legend import MARKERS, Legend, handle

MOST = 10  # labels that a reader can keep apart
COLOURS = (*style.OKABE_ITO, "#808080", "#542B00")


@drawing()
def clips(
    embeddings: Mapping[str, Any], names: Sequence[str], *, labels: str = "label", venue: str = "cvpr-full"
) -> Drawn:
    """t-SNE of clip features. A plane of t-SNE has neither axes nor distances to read off, so none are drawn; what can
    be read is printed: kNN accuracy and silhouette in the features themselves.

    embeddings: encoder -> `inspect.embedding.Embedding`. names: of the labels 0, 1, ...; at most 10. labels: what they
    are (appearance, motion). Raises OptionError for more labels, ShapeError for places that are not (n, 2).
    """
    if not embeddings or not 0 < len(names) <= MOST:
        raise OptionError(f"an embedding shows 1 to {MOST} labels and one encoder or more, got {len(names)} and "
                          f"{[*embeddings]}: keep the clips of fewer labels")  # fmt: skip
    for name, one in embeddings.items():
        if one["places"].shape != (len(one["labels"]), 2) or one["labels"].max() >= len(names):
            raise ShapeError(f"'{name}' needs places (n, 2) and labels below {len(names)}, got {one['places'].shape}")
    wide, gap = style.width(venue), 0.1
    key = Legend(
        [handle(name, shade, marker=mark, markersize=4, markeredgecolor="black", markeredgewidth=0.3)
         for name, shade, mark in zip(names, COLOURS, MARKERS, strict=False)], wide)  # fmt: skip
    across = min(len(embeddings), 4 if wide > 5 else 2)
    rows = -(-len(embeddings) // across)
    side, head = min((wide - 0.04 - (across - 1) * gap) / across, 2.0), 0.46
    start = (wide - across * side - (across - 1) * gap) / 2
    tall = key.tall + rows * (side + head) + 0.03
    fig = Figure(figsize=(wide, tall))
    key.put(fig)
    for number, (name, one) in enumerate(embeddings.items()):
        row, column = divmod(number, across)
        x, y = start + column * (side + gap), key.tall + row * (side + head) + head
        axes = fig.add_axes((x / wide, 1 - (y + side) / tall, side / wide, side / tall), xticks=[], yticks=[])
        axes.spines[:].set(visible=True, linewidth=0.3, color="0.35")
        for label in range(len(names)):
            there = one["places"][one["labels"] == label]
            axes.plot(*there.T, linestyle="", marker=MARKERS[label], color=COLOURS[label], markersize=2.6,
                      markeredgecolor="black", markeredgewidth=0.2, alpha=0.9)  # fmt: skip
        axes.margins(0.04)
        fig.text((x + side / 2) / wide, 1 - (y - 0.28) / tall, name, ha="center", va="bottom")
        words = f"kNN {one['knn']:.2f} (chance {one['chance']:.2f})\nsilhouette {one['silhouette']:.2f}"
        fig.text(
            (x + side / 2) / wide, 1 - (y - 0.04) / tall, words, ha="center", va="bottom", fontsize=6.5, color="0.2"
        )
    told = "; ".join(
        f"{name}: kNN accuracy {one['knn']:.2f} (chance {one['chance']:.2f}), silhouette {one['silhouette']:.2f}"
        for name, one in embeddings.items()
    )
    clips = {len(one["places"]) for one in embeddings.values()}
    return Drawn(fig, f"t-SNE of {max(clips)} clips by {labels}, {len(names)} labels. {told}.")
