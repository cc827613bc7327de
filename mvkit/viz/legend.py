"""A key above a drawing: its entries in as many lines as the page's width asks for, where no curve can strike them."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mvkit.viz import style
from mvkit.viz.marks import Swatch
from mvkit.viz.strip import broken

LINE = 0.135  # inches of one line of a key
MARKERS = ("o", "D", "s", "^", "v", "P", "X", "*", "<", ">", "p", "h")
EDGE = {"markeredgecolor": "black", "markeredgewidth": 0.4}


class Legend:
    """handles: what is drawn, each with its label. width: inches of the page. tall: inches that the key takes."""

    def __init__(self, handles: Sequence[Line2D], width: float) -> None:
        entries = [Swatch(str(handle.get_label()), "white") for handle in handles]
        self.handles, self.lines = handles, [len(line) for line in broken(entries, width - 0.2)]
        self.tall = len(self.lines) * LINE + 0.07 if handles else 0.0

    def put(self, fig: Figure) -> None:
        """Draw it at the upper edge of the page."""
        page, first = fig.get_size_inches()[1], 0
        for number, count in enumerate(self.lines):
            fig.legend(
                handles=self.handles[first : first + count], loc="upper center", ncols=count, borderpad=0,
                bbox_to_anchor=(0.5, 1 - (number * LINE + 0.02) / page), borderaxespad=0, handletextpad=0.3,
                handlelength=1.0, columnspacing=1.0,
            )  # fmt: skip
            first += count


def handle(label: str, colour: str, **look: object) -> Line2D:
    """An entry: `linestyle`, `marker` and the like as matplotlib takes them."""
    return Line2D([], [], color=colour, label=label, **({"linestyle": ""} | look))  # type: ignore[arg-type]


def chance_handle() -> Line2D:
    """The entry of every dotted line at chance level."""
    return handle("chance", style.BLACK, linestyle=":", linewidth=0.8)
