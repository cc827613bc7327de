"""Rows of cells with labels, composed as one uint8 array: what an explorer draws with while a slider moves.

matplotlib takes a second for a figure of sixteen panels; this takes some milliseconds, with the same colours (from
`viz.style`) and the same font (the one matplotlib ships, rasterised by Pillow and cached by word).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from mvkit.errors import OptionError, ShapeError
from mvkit.viz import style

TEXT, SMALL = 13, 11  # pixels, of labels and titles, and of notes
GAP, ROW_GAP, PAD, LINE = 3, 9, 8, 17  # pixels between cells, between rows, at the rim, of a line of text
LABEL_WIDTH = 132  # pixels; longer labels are wrapped


class Canvas:
    """`rows` x `columns` cells of `cell` = (height, width) pixels on white.

    labels: one a row, on the left. titles: one a column, above. notes: row -> a line under it. bar: pixels kept on the
    right for colour bars. The array is made once; `put`, `heat`, `outline`, `write` and `bar` draw into it.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        cell: tuple[int, int],
        *,
        labels: Sequence[str] = (),
        titles: Sequence[str] = (),
        notes: Mapping[int, str] | None = None,
        bar: int = 0,
    ) -> None:
        if (labels and len(labels) != rows) or (titles and len(titles) != columns) or rows < 1 or columns < 1:
            raise ShapeError(f"a canvas of {rows}x{columns} cells got {len(labels)} labels and {len(titles)} titles")
        self.rows, self.columns, self.cell = rows, columns, cell
        height, width = cell
        notes = notes or {}
        wide = min(
            LABEL_WIDTH, max((text_width(line, TEXT) for label in labels for line in label.split("\n")), default=0)
        )
        self._left = PAD + (wide + PAD if labels else 0)
        top, self._tops = PAD + (LINE if titles else 0), []
        for row in range(rows):
            self._tops.append(top)
            top += height + ROW_GAP + (LINE if notes.get(row) else 0)
        self._right = self._left + columns * (width + GAP) - GAP
        self._picture = np.full((top - ROW_GAP + PAD, self._right + PAD + bar, 3), 255, np.uint8)
        for row, label in enumerate(labels):
            self._label(row, label, wide)
        for column, title in enumerate(titles):
            self._blit(fitted(title, width, TEXT), PAD, self._lefts(column), TEXT)
        for row, note in notes.items():
            words = fitted(note, self._right - self._left, SMALL)
            self._blit(words, self._tops[row] + height + 2, self._left, SMALL)

    def array(self) -> np.ndarray:
        """(H, W, 3) uint8; drawing goes on in the same array."""
        return self._picture

    def at(self, x: float, y: float) -> tuple[int, int, float, float] | None:
        """The cell at pixel (x, y): row, column, fraction of its height, fraction of its width; None between cells."""
        height, width = self.cell
        column, inside_x = divmod(x - self._left, width + GAP)
        for row, top in enumerate(self._tops):
            if top <= y < top + height and 0 <= column < self.columns and inside_x < width:
                return row, int(column), (y - top) / height, inside_x / width
        return None

    def put(self, row: int, column: int, picture: np.ndarray) -> None:
        """A picture, (H, W, 3) or (H, W) uint8 of any size; pictures of the cell's own size cost nothing."""
        if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
            raise ShapeError(f"a picture must be uint8 (H, W, 3) or (H, W), got {picture.dtype} {picture.shape}")
        if picture.ndim == 2:
            picture = picture[..., None]
        self._view(row, column)[:] = resize(picture, *self.cell)

    def heat(self, row: int, column: int, values: np.ndarray, map_name: str, low: float, high: float) -> None:
        """Values (h, w) in the colours of `colourise`, each a block of pixels; NaN is light grey with a hatch."""
        self._view(row, column)[:] = heat(values, self.cell, map_name, low, high)

    def outline(
        self, row: int, column: int, y0: float, x0: float, y1: float, x1: float, colour: str = style.QUERY
    ) -> None:
        """A frame around a part of a cell, given in fractions of it as `at` gives them; cased in black."""
        height, width = self.cell
        top, left = self._tops[row], self._lefts(column)
        box = [top + round(y0 * height), left + round(x0 * width), top + round(y1 * height), left + round(x1 * width)]
        for out, shade in ((3, "black"), (2, colour), (1, colour)):  # around the part, which stays in sight
            frame(self._picture, box[0] - out, box[1] - out, box[2] + out, box[3] + out, shade)

    def write(self, row: int, column: int, words: str, colour: str = "black") -> None:
        """A short text on white in the lower left corner of a cell."""
        cell = self._view(row, column)
        mask = raster(fitted(words, cell.shape[1] - 6, SMALL), SMALL)
        high, wide = mask.shape[0] + 2, mask.shape[1] + 6
        cell[-high:, :wide] = 255
        blend(cell[-high + 1 : -1, 3 : wide - 3], mask, colour)

    def bar(self, first: int, last: int, map_name: str, low: float, high: float, words: str = "") -> None:
        """A colour bar on the right of rows first to last; needs about 64 pixels of `bar`."""
        top, foot = self._tops[first], self._tops[last] + self.cell[0]
        left = self._right + PAD
        ramp = colourise(np.linspace(high, low, foot - top - 2 * LINE)[:, None], map_name, low, high)
        self._picture[top + LINE : foot - LINE, left : left + 12] = ramp
        room = self._picture.shape[1] - left
        self._blit(fitted(f"{high:.3g}", room, SMALL), top, left, SMALL)
        self._blit(fitted(f"{low:.3g}", room, SMALL), foot - LINE + 3, left, SMALL)
        upright = np.rot90(raster(fitted(words, foot - top - 2 * LINE, SMALL), SMALL)) if words else None
        if upright is not None and room >= 18 + upright.shape[1]:
            start = (top + foot - upright.shape[0]) // 2
            blend(self._picture[start : start + upright.shape[0], left + 18 : left + 18 + upright.shape[1]], upright)

    def _view(self, row: int, column: int) -> np.ndarray:
        if not (0 <= row < self.rows and 0 <= column < self.columns):
            raise ShapeError(f"cell ({row}, {column}) is outside this canvas of {self.rows}x{self.columns} cells")
        top, left = self._tops[row], self._lefts(column)
        return self._picture[top : top + self.cell[0], left : left + self.cell[1]]

    def _lefts(self, column: int) -> int:
        return self._left + column * (self.cell[1] + GAP)

    def _label(self, row: int, label: str, wide: int) -> None:
        lines = [line for part in label.split("\n") for line in wrapped(part, wide, TEXT)][
            : max(1, self.cell[0] // LINE)
        ]
        top = self._tops[row] + max(0, (self.cell[0] - LINE * len(lines)) // 2)
        for number, line in enumerate(lines):
            self._blit(fitted(line, wide, TEXT), top + LINE * number, PAD, TEXT)

    def _blit(self, words: str, y: int, x: int, size: int) -> None:
        mask = raster(words, size)
        blend(self._picture[y : y + mask.shape[0], x : x + mask.shape[1]], mask)


def encode(picture: np.ndarray, *, quality: int = 88, kind: str = "jpeg") -> bytes:
    """(H, W, 3) uint8 as a file in memory: "jpeg" (the fastest by far), "webp" (half the size) or "png" (exact)."""
    options = {
        "jpeg": {"quality": quality, "subsampling": 0},  # full colour resolution: thin coloured lines stay clean
        "webp": {"quality": quality, "method": 2},
        "png": {"compress_level": 6},
    }
    if kind not in options:
        raise OptionError(f"kind must be one of {', '.join(options)}, got '{kind}'")
    file = BytesIO()
    Image.fromarray(picture).save(file, format=kind, **options[kind])
    return file.getvalue()


def colourise(values: np.ndarray, map_name: str, low: float, high: float) -> np.ndarray:
    """Values (...) -> colours (..., 3) uint8. map_name: a key of `style.MAPS` or a colour map of matplotlib.

    low, high: values that take the first and the last colour; NaN is the light grey of `style.EMPTY`.
    """
    values = np.asarray(values, np.float32)
    scaled = (values - low) * (255 / max(high - low, 1e-12))
    hidden = np.isnan(scaled)
    index = np.where(hidden, 256, np.clip(scaled, 0, 255)).astype(np.int16)
    return _table(map_name)[index]


def heat(values: np.ndarray, cell: tuple[int, int], map_name: str, low: float, high: float) -> np.ndarray:
    """What `Canvas.heat` draws, as a picture of its own: values (h, w) -> (height, width, 3) uint8 of `cell`."""
    picture = enlarge(colourise(values, map_name, low, high), *cell)
    hidden = np.isnan(np.asarray(values, np.float32))
    if hidden.any():
        picture[enlarge(hidden, *cell) & _hatch(*cell)] = 150
    return picture


def enlarge(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """(h, w, ...) -> (height, width, ...), nearest, also where the sizes do not divide; a copy."""
    h, w = values.shape[:2]
    rows, columns = np.arange(height) * h // height, np.arange(width) * w // width
    return values[rows[:, None], columns]


def resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 (H, W, 3) or (H, W, 1) -> the same of (height, width), smooth; itself if it has that size."""
    if picture.shape[:2] == (height, width):
        return picture
    flat = picture[..., 0] if picture.shape[2] == 1 else picture
    small = np.asarray(Image.fromarray(flat).resize((width, height), Image.Resampling.BILINEAR))
    return small.reshape(height, width, picture.shape[2])


def frame(picture: np.ndarray, y0: int, x0: int, y1: int, x1: int, colour: str) -> None:
    """Draw the border pixels of the box [y0, y1) x [x0, x1) in place; what lies outside the picture is left out."""
    height, width = picture.shape[:2]
    shade = [round(255 * part) for part in to_rgb(colour)]
    across, down = slice(max(x0, 0), min(x1, width)), slice(max(y0, 0), min(y1, height))
    for y in {y0, y1 - 1}:
        if 0 <= y < height:
            picture[y, across] = shade
    for x in {x0, x1 - 1}:
        if 0 <= x < width:
            picture[down, x] = shade


def stack(pictures: Sequence[np.ndarray], gap: int = ROW_GAP) -> np.ndarray:
    """Pictures (H_i, W_i, 3) one under the other on white, (sum of H_i + gaps, widest W, 3)."""
    wide = max(picture.shape[1] for picture in pictures)
    padded = [np.pad(p, ((0, gap), (0, wide - p.shape[1]), (0, 0)), constant_values=255) for p in pictures]
    return np.concatenate(padded)[: -gap or None]


@lru_cache(maxsize=4096)
def raster(words: str, size: int = TEXT) -> np.ndarray:
    """Words as coverage (height, width) uint8, 255 where the ink is; one line."""
    mask = Image.new("L", (max(1, text_width(words, size)), size + 4))
    ImageDraw.Draw(mask).text((0, size), words, fill=255, font=_font(size), anchor="ls")
    array = np.asarray(mask)
    array.setflags(write=False)
    return array


def blend(part: np.ndarray, mask: np.ndarray, colour: str = "black") -> None:
    """Lay ink of `raster` over a part of a picture, in place; the mask is cut where the part is smaller."""
    ink = mask[: part.shape[0], : part.shape[1], None].astype(np.float32) / 255
    shade = 255 * np.array(to_rgb(colour), np.float32)
    part[:] = (part * (1 - ink) + shade * ink).round().astype(np.uint8)


@lru_cache(maxsize=4096)
def fitted(words: str, wide: int, size: int = TEXT) -> str:
    """Words cut with an ellipsis so that they are at most `wide` pixels."""
    if text_width(words, size) <= wide:
        return words
    while words and text_width(words + "…", size) > wide:
        words = words[:-1]
    return words.rstrip() + "…"


def wrapped(words: str, wide: int, size: int = TEXT) -> list[str]:
    """Words in lines of at most `wide` pixels, broken at spaces."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size) <= wide or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)


@lru_cache(maxsize=4096)
def text_width(words: str, size: int = TEXT) -> int:
    """Pixels that a line takes."""
    return int(np.ceil(_font(size).getlength(words)))


@lru_cache
def _table(map_name: str) -> np.ndarray:
    """256 colours, and one more for NaN."""
    name = style.MAPS.get(map_name, map_name)
    if name not in matplotlib.colormaps:
        raise OptionError(f"unknown colour map '{map_name}': one of {', '.join(style.MAPS)} or a name of matplotlib")
    colours = matplotlib.colormaps[name](np.arange(256))[:, :3]
    return (np.vstack([colours, to_rgb(style.EMPTY)]) * 255).round().astype(np.uint8)


@lru_cache
def _hatch(height: int, width: int) -> np.ndarray:
    return (np.arange(height)[:, None] + np.arange(width)) % 8 == 0
