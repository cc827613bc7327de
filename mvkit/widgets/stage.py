"""The clips an explorer can choose from, and what is shown and known of the part that is chosen.

A place is (clip's name or a file's path, first frame, stride). What was worked out for a place is kept for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mvkit.viz.film import chosen_steps
from mvkit.widgets.canvas import resize
from mvkit.widgets.controls import Control
from mvkit.widgets.footage import SAMPLES, Footage, Window, attended
from mvkit.widgets.measured import Guide

CELL, COLUMNS = 84, 8  # pixels of a cell at most, and steps in a row
GUIDES = {
    "contrast": "the clip's local contrast stands in for a teacher's attention",
    "motion": "the clip's motion stands in for a teacher's attention",
    "model": "attention of the last block of the encoder given",
}
USUAL = {"frames": 16, "tubelet": 2, "patch": 16}
Place = tuple[str, int, int]


def place_of(values: Mapping[str, Any]) -> Place:
    """Which frames the values of `Stage.controls` mean."""
    return values["file"] or values["clip"], values["start"], values["stride"]


class Stage:
    """clip: what `Footage` takes, or a mapping of names to it, before the sample clips. cut: frames, tubelet, patch."""

    def __init__(self, clip: Any, encoder: Any, size: int | tuple[int, int], cut: Mapping[str, int]) -> None:
        given = clip if isinstance(clip, Mapping) else {} if clip is None else {_named(clip): clip}
        self._clips = {**given, **{f"sample {number}": number for number in range(1, SAMPLES + 1)}}
        self._encoder, self._size, self._cut = encoder, size, cut
        self.footage = lru_cache(8)(self._open)
        self.window, self.pictures = lru_cache(8)(self._window), lru_cache(8)(self._pictures)
        self.guide = lru_cache(8)(self._guide)

    @property
    def guides(self) -> tuple[str, ...]:
        """What can stand for a teacher's attention, the best first."""
        stand_ins = tuple(name for name in GUIDES if name != "model")
        return stand_ins if self._encoder is None else ("model", *stand_ins)

    def controls(self, values: Mapping[str, Any]) -> tuple[Control, ...]:
        """clip, file, start, stride; values may be partial. Raises DataError for a file that cannot be read."""
        names = tuple(self._clips)
        length = self.footage(values.get("file") or values.get("clip", names[0])).length
        stride = max(1, min(4, length // self._cut["frames"]))
        return (
            Control("clip", "choice", names[0], choices=names, help="the clip that is masked",
                    when=lambda values: not values["file"]),
            Control("file", "file", "", label="video file", help="a video of your own; empty goes back to the clips"),
            Control("start", "int", 0, low=0, high=max(1, length - 1), label="first frame",
                    help="where the clip begins"),
            Control("stride", "int", stride, low=1, high=16, label="frame stride",
                    help="frames of the video from one frame of the clip to the next"),
        )  # fmt: skip

    def steps(self, place: Place) -> list[int]:
        """The steps of the grid that are shown."""
        return chosen_steps(self.window(place).grid.t, COLUMNS)

    def words(self, place: Place) -> str:
        """Which frames of what, in words."""
        footage, window, (_, start, stride) = self.footage(place[0]), self.window(place), place
        last = min(start + stride * (self._cut["frames"] - 1), footage.length - 1)
        end = f"; its last frame is repeated {window.repeated} times: lower the stride or the first frame"
        return f"{footage.name}, frames {start} to {last}, {window.grid}" + (end if window.repeated else "")

    def code(self, place: Place) -> str:
        """The Python that makes the window."""
        cut = "".join(f", {name}={n}" for name, n in self._cut.items() if n != USUAL[name])
        return f"{self.footage(place[0]).code}.window({place[1]}, {place[2]}{cut})"

    def _open(self, source: str) -> Footage:
        return Footage(self._clips.get(source, source), self._size)

    def _window(self, place: Place) -> Window:
        return self.footage(place[0]).window(place[1], place[2], **self._cut)

    def _pictures(self, place: Place) -> np.ndarray:
        """(columns, H, W, 3): the first frame of each step shown, whole pixels to a token."""
        window = self.window(place)
        t, h, w = window.grid.shape
        side = max(1, round(CELL / max(h, w)))
        first = [step * (len(window.frames) // t) for step in self.steps(place)]
        return np.stack([resize(window.frames[number], h * side, w * side) for number in first])

    def _guide(self, place: Place, name: str) -> Guide:
        window = self.window(place)
        if name == "model":
            code = "attended(encoder, window.video, window.grid)"
            return Guide(attended(self._encoder, window.video, window.grid), GUIDES[name], code)
        return Guide(getattr(window, name), GUIDES[name], f"window.{name}")


def _named(clip: Any) -> str:
    if isinstance(clip, int):
        return f"sample {clip}"
    return Path(clip).name if isinstance(clip, str | Path) else "clip"
