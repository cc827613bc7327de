"""Where sprites are in every frame: boxes on the torus, their visible parts, and the class of each.

A sprite over the border is seen in two or four parts. Its box in `boxes` goes on beyond the frame; a track has the
largest part only, cut at the border, so up to three quarters of such a sprite lie outside its box.
"""

from typing import Any

import numpy as np

from mvkit.data.shapes.scene import Scene
from mvkit.data.shapes.spec import DIRECTIONS, STRAIGHT, ShapesSpec


def boxes(scene: Scene, spec: ShapesSpec) -> np.ndarray:
    """(S, T, 4) left, top, right, bottom in pixels, main sprite first; left and top lie in [0, size).

    Right or bottom beyond `size` means that the sprite goes on at the opposite side; `pieces` cuts such a box.
    """
    found = []
    for sprite in scene.sprites:
        corner = (sprite.centres(spec.frames, spec.size) - sprite.side / 2) % spec.size
        found.append(np.concatenate([corner, corner + sprite.side], axis=1))
    return np.round(np.stack(found), 2)


def pieces(box: np.ndarray, size: int) -> list[tuple[float, float, float, float]]:
    """The one, two or four parts of a box (4,) that lie inside the frame."""
    left, top, right, bottom = (float(value) for value in box)
    columns = [(left, min(right, size))] + ([(0.0, right - size)] if right > size else [])
    rows = [(top, min(bottom, size))] + ([(0.0, bottom - size)] if bottom > size else [])
    return [(x0, y0, x1, y1) for y0, y1 in rows for x0, x1 in columns]


def largest(box: np.ndarray, size: int) -> tuple[float, float, float, float]:
    """The part of a box (4,) in pixels with most area inside the frame; the leftmost, topmost of equal ones."""
    return max(pieces(box, size), key=lambda part: (part[2] - part[0]) * (part[3] - part[1]))


def tracks(scene: Scene, spec: ShapesSpec) -> list[dict[str, Any]]:
    """Of every sprite of a story: boxes (T, 4), shares of the frame, and labels per frame, as `data.sample.Track`.

    Classes are those of `STORY_CLASSES`: appearance, and motion, which in a turn changes at frame T // 2.
    """
    assert scene.second is not None
    first, second = (STRAIGHT.index(DIRECTIONS[motion]) for motion in (scene.motion, scene.second))
    half = spec.frames // 2
    ways = [[first] * half + [second] * (spec.frames - half)]
    if scene.story == "pair":
        ways = [[first] * spec.frames, [second] * spec.frames]
    found = []
    for sprite, places, motion in zip(scene.sprites, boxes(scene, spec), ways, strict=True):
        shares = np.round([np.divide(largest(box, spec.size), spec.size) for box in places], 4).tolist()
        looks = [sprite.appearance] * spec.frames
        found.append({"boxes": shares, "labels": {"appearance": looks, "motion": motion}})
    return found
