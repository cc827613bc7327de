"""Boxes as shares of the frame: left, top, right, bottom in 0..1, (n, 4) float64; moved, cut and drawn anew."""

from __future__ import annotations

import numpy as np

from mvkit.data.crops import Box

# Sideways and upright: how far each side of a training box may move out and in, in widths and heights of the box.
OUT, IN = (0.2, 0.1), (0.1, 0.05)
# How much larger a detected box is read. Half of it at each side is what a jittered one has on average.
WIDER = (0.1, 0.05)


def cut(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts inside the frame, and which boxes have one: (n, 4) and (n,) bool. NaN is no part."""
    inside = boxes.clip(0, 1)
    return inside, (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])


def seen_in(boxes: np.ndarray, box: Box, height: int, width: int) -> np.ndarray:
    """The same boxes as shares of a crop of a frame of height x width pixels; they may reach out of it."""
    corner, size = [box.left, box.top] * 2, [box.width, box.height] * 2
    return (boxes * ([width, height] * 2) - corner) / size


def mirrored(boxes: np.ndarray) -> np.ndarray:
    """The same boxes in the frame mirrored left to right."""
    left, top, right, bottom = boxes.T
    return np.stack([1 - right, top, 1 - left, bottom], 1)


def widened(boxes: np.ndarray, by: tuple[float, float] = WIDER) -> np.ndarray:
    """Each box as much larger, in its own width and height, half of it at each side."""
    return _moved(boxes, np.array([by, by]).reshape(1, 4) / 2)


def jittered(boxes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Each side of each box moved by itself, up to `OUT` outwards and `IN` inwards: UMT's training on AVA."""
    return _moved(boxes, generator.uniform(np.negative([*IN, *IN]), [*OUT, *OUT], boxes.shape))


def _moved(boxes: np.ndarray, out: np.ndarray) -> np.ndarray:
    """out: (n, 4), how far left, top, right, bottom move outwards, in widths and heights of the box."""
    wide, tall = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return boxes + out * np.array([-1, -1, 1, 1]) * np.stack([wide, tall, wide, tall], 1)
