"""What was found for a query: the best clips as frames to print, and playing in the page."""

from __future__ import annotations

import io
import textwrap
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mvkit.errors import ShapeError
from mvkit.viz.drawing import Drawn, as_frames, drawing
from mvkit.viz.film import chosen_steps
from mvkit.viz.gif import Gif, gif
from mvkit.viz.strip import Strip

if TYPE_CHECKING:
    from mvkit.inspect.queries import Query

# What moves stands still on paper, and for who asked their system for less motion.
_STYLE = (
    "<style>.mvkit-still{display:none}@media print,(prefers-reduced-motion:reduce)"
    "{.mvkit-plays{display:none}.mvkit-still{display:inline}}</style>"
)


@drawing(pictures=("clips",))
def stills(queries: Mapping[str, Any], clips: Mapping[str, Any], *, frames: int = 2, venue: str = "cvpr-full") -> Drawn:
    """One row a query: frames of the clips found, the best first, and under each its rank, whether it is right, and
    its score; below, what was asked for.

    queries: label -> `inspect.queries.Query`, as `by_rank` gives them. clips: label -> its clips (K, 3, T, H, W) in
    [0, 1] or (K, T, H, W, 3) uint8, one for each place of the query. frames: of each clip. Raises ShapeError.
    """
    _check(queries, clips)
    first = next(iter(clips.values()))
    most, steps = max(map(len, clips.values())), chosen_steps(first.shape[1], frames)
    sheet = Strip(
        len(queries), most * len(steps), shape=first.shape[2:4], labels=[f"{label} rank" for label in queries],
        notes={f"{label} rank": f"{one['rank']} of {one['of']}" for label, one in queries.items()},
        groups=most, under=dict.fromkeys(range(len(queries)), 3), venue=venue, titles=0,
    )  # fmt: skip
    for row, (label, query) in enumerate(queries.items()):
        sheet.label(row)
        for number, clip in enumerate(clips[label]):
            for column, step in enumerate(steps, start=number * len(steps)):
                sheet.show(row, column, clip[step])
            sheet.under(row, _words(query, number), column=number * len(steps))
        asked = textwrap.wrap(f"“{query['text']}”", sheet.letters(most * len(steps)), max_lines=2, placeholder=" ...")
        sheet.under(row, "\n".join(asked), line=1)
    return Drawn(sheet.fig, " ".join(_told(label, query) for label, query in queries.items()))


@dataclass(frozen=True)
class Gallery:
    """Animations by what they show, in words; shows itself in a notebook, from inside the page. On paper each stands
    still at its first frame."""

    gifs: Mapping[str, Gif]

    def save(self, folder: str | Path) -> list[Path]:
        """Write `1.gif`, `2.gif`, ... in order."""
        return [one.save(Path(folder) / f"{number}.gif") for number, one in enumerate(self.gifs.values(), start=1)]

    def _repr_html_(self) -> str:
        return _STYLE + "".join(
            f'<figure style="margin:0 0 1em"><figcaption>{escape(words)}</figcaption>'
            f"{_image(one.alt, 'gif', one.data, 'plays')}{_image(one.alt, 'png', _first(one.data), 'still')}</figure>"
            for words, one in self.gifs.items()
        )


def playing(
    queries: Mapping[str, Query], clips: Mapping[str, Any], *, side: int = 128, seconds: float = 0.25
) -> Gallery:
    """The same clips, each playing, one animation a query; the same input gives the same bytes.

    queries, clips: as `stills`. side: pixels of a clip, about; seconds: how long a frame is shown. Raises ShapeError.
    """
    plain = {label: asdict(query) for label, query in queries.items()}
    shown = {label: as_frames(found) for label, found in clips.items()}
    _check(plain, shown)
    gifs = {}
    for label, query in plain.items():
        scale = max(1, round(side / max(shown[label].shape[2:4])))
        rows = shown[label].repeat(scale, 2).repeat(scale, 3).swapaxes(0, 1)
        words = [_words(query, number) for number in range(len(rows[0]))]
        title = f"{label} rank, {query['rank']} of {query['of']}: “{query['text']}”"
        gifs[title] = gif([list(row) for row in rows], words, alt=_told(label, query), seconds=seconds)
    return Gallery(gifs)


def _check(queries: Mapping[str, Any], clips: Mapping[str, np.ndarray]) -> None:
    wanted = {label: len(query["places"]) for label, query in queries.items()}
    found = {label: len(part) if part.ndim == 5 else 0 for label, part in clips.items()}
    if not queries or wanted != found:
        raise ShapeError(f"clips (K, T, H, W, 3) of each query are wanted, K being {wanted}, got {found}")


def _words(query: Mapping[str, Any], number: int) -> str:
    rank, right, score = (query[name][number] for name in ("ranks", "right", "scores"))
    return f"{rank}. {'right' if right else 'wrong'} {score:.2f}"


def _told(label: str, query: Mapping[str, Any]) -> str:
    found = ", ".join(_words(query, number) for number in range(len(query["places"])))
    return f"Query of the {label} rank, {query['rank']} of {query['of']}: “{query['text']}”; clips found: {found}."


def _first(data: bytes) -> bytes:
    """The first frame of a GIF as a PNG."""
    written = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(written, format="PNG")
    return written.getvalue()


def _image(alt: str, kind: str, data: bytes, role: str) -> str:
    source = f"data:image/{kind};base64,{b64encode(data).decode()}"
    return f'<img class="mvkit-{role}" alt="{escape(alt)}" style="max-width:100%" src="{source}">'
