"""Ways of arrows between boxes: right angles, around every box, and not on top of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

Point = tuple[float, float]
Segment = tuple[Point, Point]
CLEAR = 0.035  # inches an arrow keeps from a box it does not belong to


class Place(NamedTuple):
    """A box in inches from the top left."""

    x: float
    y: float
    w: float
    h: float

    def turned(self) -> Place:
        return Place(self.y, self.x, self.h, self.w)


class Way(NamedTuple):
    """The way of an arrow: what it joins, whether it is dashed, and its points, in inches from the top left."""

    start: str
    end: str
    dashed: bool
    points: list[Point]


def route(
    places: Mapping[str, Place], start: str, end: str, dashed: bool, *, upright: bool, taken: Sequence[Way]
) -> Way:
    """The way of an arrow. upright: the flow runs down, not to the right. taken: the ways of earlier arrows.

    Of the ways tried the cheapest is taken: a box crossed costs most, then running on another arrow, crossing one, a
    turn, length. Arrows of one look that leave the same box share their way where they can.
    """
    boxes = {name: place.turned() if upright else place for name, place in places.items()}
    others = [place for name, place in boxes.items() if name not in (start, end)]
    rivals = [
        (segment, way.start == start and way.dashed == dashed, way.end == end)
        for way in taken
        for segment in pairwise(_turned(way.points, upright))
    ]
    ways = _ways(boxes, boxes[start], boxes[end])
    best = min(ways, key=lambda way: _cost(way, others, boxes[start], boxes[end], rivals))
    return Way(start, end, dashed, _turned(best, upright))


def _turned(points: list[Point], turn: bool) -> list[Point]:
    return [(y, x) for x, y in points] if turn else points


def _ways(boxes: Mapping[str, Place], a: Place, b: Place) -> list[list[Point]]:
    """Ways from a to b where the flow runs to the right."""
    if a.x + a.w > b.x + 1e-9 and b.x + b.w > a.x + 1e-9:  # the same column: up or down
        x, down = max(a.x, b.x) + min(a.w, b.w) / 2, a.y < b.y
        return [[(x, a.y + a.h if down else a.y), (x, b.y if down else b.y + b.h)], *_around(boxes, a, b)]
    forth = a.x < b.x
    first, last = (a.x + a.w, b.x) if forth else (a.x, b.x + b.w)
    ways = []
    for part in (0.5, 0.3, 0.7):
        for into in (0.5, 0.25, 0.75):
            y, z = a.y + a.h * part, b.y + b.h * into
            if abs(y - z) < 1e-6:
                ways.append([(first, y), (last, z)])
            # Turn in a gap between columns, or go along a free line between rows.
            ways += [[(first, y), (x, y), (x, z), (last, z)] for x in _gaps(boxes, first, last)]
            if overlap := _shared(a, b):
                ways.append([(first, overlap), (last, overlap)])
            near, far = _near(boxes, first, forth), _near(boxes, last, not forth)
            ways += [
                [(first, y), (near, y), (near, level), (far, level), (far, z), (last, z)] for level in _levels(boxes)
            ]
    return ways


def _around(boxes: Mapping[str, Place], a: Place, b: Place) -> list[list[Point]]:
    """Ways between boxes of one column that other boxes stand between: out at the right and back."""
    x = max(a.x + a.w, b.x + b.w)
    return [
        [(a.x + a.w, a.y + a.h / 2), (x + out, a.y + a.h / 2), (x + out, b.y + b.h / 2), (b.x + b.w, b.y + b.h / 2)]
        for out in (0.07, 0.12)
    ]


def _shared(a: Place, b: Place) -> float | None:
    """The middle of the heights both boxes have, if there is one."""
    low, high = max(a.y, b.y), min(a.y + a.h, b.y + b.h)
    return (low + high) / 2 if high - low > 0.04 else None


def _gaps(boxes: Mapping[str, Place], first: float, last: float) -> list[float]:
    """Where a vertical line from `first` to `last` touches no column of boxes, a few in every gap."""
    low, high = min(first, last), max(first, last)
    edges = sorted({(place.x, place.x + place.w) for place in boxes.values()})
    ends = [low, *(right for _, right in edges if low < right < high)]
    found = []
    for end in ends:
        begin = min((left for left, _ in edges if left > end + 1e-9), default=high)
        begin = min(begin, high)
        if begin - end > 0.05:
            found += [end + (begin - end) * part for part in (0.5, 0.35, 0.65, 0.2)]
    return found


def _near(boxes: Mapping[str, Place], x: float, right: bool) -> float:
    """The middle of the gap that begins at x."""
    others = [place.x for place in boxes.values() if place.x > x + 1e-9] if right else []
    others += [] if right else [place.x + place.w for place in boxes.values() if place.x + place.w < x - 1e-9]
    if not others:
        return x + (0.07 if right else -0.07)
    return (x + (min(others) if right else max(others))) / 2


def _levels(boxes: Mapping[str, Place]) -> list[float]:
    """Heights between rows of boxes."""
    spans = sorted((place.y, place.y + place.h) for place in boxes.values())
    found, end = [], spans[0][1]
    for top, bottom in spans[1:]:
        if top - end > 0.02:
            found.append((top + end) / 2)
        end = max(end, bottom)
    return found


def _cost(
    way: Sequence[Point], others: Sequence[Place], a: Place, b: Place, rivals: Sequence[tuple[Segment, bool, bool]]
) -> float:
    cost = 0.4 * len(way)
    for number, (p, q) in enumerate(pairwise(way)):
        cost += abs(p[0] - q[0]) + abs(p[1] - q[1])
        cost += 1000 * sum(_crosses(p, q, box, CLEAR) for box in others)
        inner = [box for box, at in ((a, 0), (b, len(way) - 2)) if number != at]
        cost += 1000 * sum(_crosses(p, q, box, 0.0) for box in inner)
        for (r, s), from_one, into_one in rivals:
            if _runs_on(p, q, r, s):
                cost += -0.2 if from_one else 2.0 if into_one else 100
            elif _meets(p, q, r, s):
                cost += 0 if from_one else 0.3 if into_one else 5
    return cost


def _crosses(p: Point, q: Point, box: Place, clear: float) -> bool:
    (x0, x1), (y0, y1) = sorted((p[0], q[0])), sorted((p[1], q[1]))
    return (
        x0 < box.x + box.w + clear - 1e-9
        and x1 > box.x - clear + 1e-9
        and y0 < box.y + box.h + clear - 1e-9
        and y1 > box.y - clear + 1e-9
    )


def _runs_on(p: Point, q: Point, r: Point, s: Point) -> bool:
    """Whether two segments lie on one line, closer than a line is wide, and share more than a point."""
    for axis in (0, 1):
        other = 1 - axis
        same = max(p[axis], q[axis], r[axis], s[axis]) - min(p[axis], q[axis], r[axis], s[axis]) < 0.03
        low, high = (
            max(min(p[other], q[other]), min(r[other], s[other])),
            min(max(p[other], q[other]), max(r[other], s[other])),
        )
        if same and high - low > 1e-6:
            return True
    return False


def _meets(p: Point, q: Point, r: Point, s: Point) -> bool:
    (ax, bx), (ay, by) = sorted((p[0], q[0])), sorted((p[1], q[1]))
    (cx, dx), (cy, dy) = sorted((r[0], s[0])), sorted((r[1], s[1]))
    return ax <= dx and cx <= bx and ay <= dy and cy <= by
