"""Curves as pixels, in a few milliseconds each: what the run explorer draws while a slider moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator
from PIL import Image, ImageDraw

from mvkit.viz.curves import smooth
from mvkit.widgets.canvas import SMALL, TEXT, blend, fitted, raster, text_width

LEFT, TOP, RIGHT, FOOT = 48, 22, 14, 20  # pixels around the plot of a panel
INSET = 6  # pixels of the plot left and right of the first and the last step
FINE = 2  # drawn so many times larger, then reduced: lines without steps
DASH = (9, 6)  # pixels drawn and left out
SMOOTH = 0.1  # of a run: the window of the strong line; the pale one is as logged


@dataclass(frozen=True)
class Curve:
    """steps, values: (n,), of finite numbers. dashed: for the second run, so that a grey print tells them apart."""

    steps: np.ndarray
    values: np.ndarray
    colour: str
    dashed: bool = False


class Panel:
    """One set of axes of (height, width) pixels with curves in it, and where a step lies on it.

    last: the right end of the axis of steps. cursor: a step to mark. log: where all values are above 0.
    """

    def __init__(
        self, size: tuple[int, int], title: str, curves: list[Curve], last: int, cursor: int, *, log: bool = False
    ) -> None:
        self.height, self.width = size
        self.last = max(1, last)
        values = np.concatenate([curve.values for curve in curves])
        self.log = log and bool((values > 0).all())
        low, high = (float(end) for end in (self._scaled(values).min(), self._scaled(values).max()))
        room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
        self.low, self.high = low - room, high + room
        self.picture = np.full((*size, 3), 255, np.uint8)
        self._axes(title)
        self._lines(curves, cursor)

    def step_at(self, x: float) -> int:
        """The step under column x of the panel."""
        share = (x - LEFT - INSET) / (self.width - LEFT - RIGHT - 2 * INSET)
        return round(min(1.0, max(0.0, share)) * self.last)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return np.log10(values) if self.log else values

    def _points(self, steps: np.ndarray, values: np.ndarray) -> np.ndarray:
        """(n, 2) pixels x, y in the plot, whose corner is 0, 0."""
        wide, high = self.width - LEFT - RIGHT, self.height - TOP - FOOT
        y = (self.high - self._scaled(values)) / (self.high - self.low) * high
        return np.stack([INSET + steps / self.last * (wide - 2 * INSET), y], 1)

    def _ticks(self) -> list[float]:
        if self.log and self.high - self.low >= 1:
            return [float(tick) for tick in LogLocator(subs=(1, 2, 5)).tick_values(10**self.low, 10**self.high)]
        ends = (10**self.low, 10**self.high) if self.log else (self.low, self.high)
        ticks = [float(tick) for tick in MaxNLocator(4).tick_values(*ends)]
        return [tick for tick in ticks if tick > 0] if self.log else ticks

    def _axes(self, title: str) -> None:
        foot, right = self.height - FOOT, self.width - RIGHT
        self._words(fitted(title, self.width - LEFT - RIGHT, TEXT), 1, LEFT, TEXT)
        self.picture[foot, LEFT:right] = 90
        self.picture[TOP:foot, LEFT] = 90
        for tick in self._ticks():
            y = TOP + round(float(self._points(np.array([0.0]), np.array([tick]))[0, 1]))
            if TOP <= y <= foot:
                self.picture[y, LEFT - 4 : LEFT] = 90
                words = f"{tick:.3g}"
                self._words(words, y - 8, LEFT - 6 - text_width(words, SMALL), SMALL)
        for tick in MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]).tick_values(0, self.last):
            if tick <= self.last:
                x = LEFT + INSET + round(tick / self.last * (right - LEFT - 2 * INSET))
                self.picture[foot : foot + 4, x] = 90
                words = f"{tick:g}"
                self._words(words, foot + 4, x - text_width(words, SMALL) // 2, SMALL)

    def _lines(self, curves: list[Curve], cursor: int) -> None:
        wide, high = self.width - LEFT - RIGHT, self.height - TOP - FOOT
        sheet = Image.fromarray(self.picture[TOP : TOP + high, LEFT + 1 : LEFT + 1 + wide]).resize(
            (wide * FINE, high * FINE), Image.Resampling.NEAREST
        )
        pen = ImageDraw.Draw(sheet, "RGBA")
        at = (INSET + cursor / self.last * (wide - 2 * INSET)) * FINE
        pen.line([(at, 0), (at, high * FINE)], fill=(110, 110, 110, 255), width=FINE)
        for curve in curves:
            few = len(curve.values) < 12
            every = -(-len(curve.values) // (2 * wide))
            logged = self._points(curve.steps[::every], curve.values[::every])
            strong = smooth(curve.values, round(SMOOTH * len(curve.values)))[::every]
            if not few:
                pen.line([tuple(p) for p in logged * FINE], fill=_ink(curve.colour, 80), width=FINE)
            line = self._points(curve.steps[::every], strong)
            for part in _dashes(line) if curve.dashed else [line]:
                pen.line([tuple(p) for p in part * FINE], fill=_ink(curve.colour), width=2 * FINE, joint="curve")
            there = curve.steps <= cursor
            marks = logged if few else logged[:0]
            if there.any():
                now = np.flatnonzero(there)[-1]
                marks = np.concatenate([marks, self._points(curve.steps[now : now + 1], curve.values[now : now + 1])])
            for number, (x, y) in enumerate(marks * FINE):
                radius = (4 if number == len(marks) - 1 and there.any() else 2.5) * FINE
                box = (x - radius, y - radius, x + radius, y + radius)
                pen.ellipse(box, fill=_ink(curve.colour), outline=(0, 0, 0, 255), width=1)
        small = sheet.reduce(FINE)
        self.picture[TOP : TOP + high, LEFT + 1 : LEFT + 1 + wide] = np.asarray(small)

    def _words(self, words: str, y: int, x: int, size: int) -> None:
        mask = raster(words, size)
        x, y = max(0, x), max(0, y)
        blend(self.picture[y : y + mask.shape[0], x : x + mask.shape[1]], mask)


def _ink(colour: str, alpha: int = 255) -> tuple[int, int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16), alpha


def _dashes(points: np.ndarray) -> list[np.ndarray]:
    """A line (n, 2) in pixels as pieces of DASH, at least one point each."""
    if len(points) < 2:
        return [points]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    starts = np.arange(0, along[-1], sum(DASH))
    pieces = []
    for start in starts:
        ends = np.array([start, min(start + DASH[0], along[-1])])
        inner = along[(along > ends[0]) & (along < ends[1])]
        where = np.concatenate([ends[:1], inner, ends[1:]])
        pieces.append(np.stack([np.interp(where, along, points[:, axis]) for axis in (0, 1)], 1))
    return pieces
