"""A short animation as a GIF: for features that move, where a strip of steps shows too little of it."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mvkit.errors import ShapeError
from mvkit.whole import whole

PAD = 4
LINE = 18  # pixels of the labels under the pictures


@dataclass(frozen=True)
class Gif:
    """data: the bytes of the file. alt: what it shows, in words. Shows itself in a notebook, from inside the page."""

    data: bytes = field(repr=False)
    alt: str

    def save(self, path: str | Path) -> Path:
        """Write the file, whole or not at all."""
        path = Path(path)
        with whole(path) as part:
            part.write_bytes(self.data)
        return path

    def _repr_html_(self) -> str:
        # In <details>: who is disturbed by what moves without end can close it.
        return (
            f'<details open><summary>animation</summary><img alt="{escape(self.alt)}" style="max-width:100%" '
            f'src="data:image/gif;base64,{b64encode(self.data).decode()}"></details>'
        )


def gif(rows: Sequence[Sequence[np.ndarray]], labels: Sequence[str], *, alt: str, seconds: float = 0.3) -> Gif:
    """Pictures side by side, one after the other. The same input gives the same bytes.

    rows: for each point in time one uint8 picture (H, W, 3) a label, all of one size. labels: a text under each.
    seconds: how long each is shown; it repeats without end. One palette holds for all, so that a colour means the same
    throughout. Raises ShapeError.
    """
    shapes = {picture.shape for row in rows for picture in row}
    if not rows or len(shapes) != 1 or {len(row) for row in rows} != {len(labels)}:
        raise ShapeError(f"a GIF needs {len(labels)} pictures (H, W, 3) of one size at each time, got {sorted(shapes)}")
    high, wide, _ = shapes.pop()
    paper = np.full((high + LINE, len(labels) * (wide + PAD) - PAD, 3), 255, np.uint8)
    frames = []
    for number, row in enumerate(rows):
        page = paper.copy()
        for column, picture in enumerate(row):
            page[:high, column * (wide + PAD) : column * (wide + PAD) + wide] = picture
        image = Image.fromarray(page)
        draw = ImageDraw.Draw(image)
        for column, label in enumerate(labels):
            said = f"{label}   {number + 1}/{len(rows)}" if column == 0 else label
            draw.text((column * (wide + PAD) + 1, high + 3), said, fill="black", font=_font())
        frames.append(image)
    sheet = Image.fromarray(np.concatenate([np.asarray(frame) for frame in frames]))
    palette = sheet.quantize(256, method=Image.Quantize.MEDIANCUT)
    flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    written = io.BytesIO()
    flat[0].save(
        written, format="GIF", save_all=True, append_images=flat[1:], duration=round(seconds * 1000), loop=0,
        optimize=False, disposal=1,
    )  # fmt: skip
    return Gif(written.getvalue(), alt)


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), 11)
