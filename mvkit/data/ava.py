"""AVA's own files: boxes with actions, people found by a detector, the action list, keyframes to leave out.

A line of the csv is `video, second, left, top, right, bottom, action, person`, boxes as shares of the frame, one line
for each action of a box; a line of a detector's ends in a score instead. Data: AVA, arXiv:1705.08421.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np

from mvkit.data.boxes import cut
from mvkit.data.keyframes import Keyframe, Keyframes, Moment
from mvkit.data.sample import VIDEO_SUFFIXES
from mvkit.errors import DataError, OptionError, unknown

Box = tuple[float, float, float, float]
People = dict[Moment, tuple[np.ndarray, np.ndarray]]
"""Moment -> boxes (n, 4) and scores (n,)."""


def read_ava(
    path: Path | str,
    videos: Path | str,
    actions: Mapping[int, str],
    *,
    excluded: Collection[Moment] = (),
    offset: float = 0.0,
    bad: str = "raise",
) -> Keyframes:
    """Keyframes of an annotation csv, on the files of a folder named after their videos.

    actions: `read_actions`; lines of others are left out, their keyframe stays. excluded: `read_excluded`. offset:
    second at which the files begin, 900 for the annotated quarter of an hour alone. A line with no box is a keyframe
    without people. bad: `raise` on lines that cannot be read, or leave them out; everything left out is named.
    Raises DataError, OptionError.
    """
    if bad not in ("raise", "list"):
        raise OptionError(unknown("way with bad lines", bad, ("raise", "list")))
    files = {file.stem: file for file in sorted(Path(videos).iterdir()) if file.suffix.lower() in VIDEO_SUFFIXES}
    left_out: dict[str, list[str]] = defaultdict(list)
    found: dict[Moment, dict[tuple[Box, str], set[int]]] = {}
    columns = {number: column for column, number in enumerate(sorted(actions))}
    for where, moment, box, rest in _lines(Path(path), 8, left_out):
        if moment in excluded:
            left_out["excluded"].append(where)
        elif moment[0] not in files:
            left_out["no such video"].append(moment[0])
        elif not box:
            found.setdefault(moment, {})
        elif not rest[0].isdigit():
            left_out["bad line"].append(f"{where}: wanted the number of an action, got '{rest[0]}'")
        elif (action := int(rest[0])) not in columns:
            found.setdefault(moment, {})
            left_out["action not in the list"].append(f"{where}: action {action}")
        else:
            found.setdefault(moment, {}).setdefault((box, rest[1]), set()).add(columns[action])
    if left_out["bad line"] and bad == "raise":
        lines = left_out["bad line"]
        shown = "; ".join(lines[:5]) + (" ..." if len(lines) > 5 else "")
        raise DataError(f"{len(lines)} bad lines: {shown}; repair them or pass bad='list'")
    keyframes = []
    for moment, people in found.items():
        boxes = np.array([box for box, _ in people], float).reshape(-1, 4)
        done = [[column in those for column in range(len(columns))] for those in people.values()]
        chosen = np.array(done, bool).reshape(-1, len(columns))
        file, second = files[moment[0]], moment[1] - offset
        keyframes.append(Keyframe(moment, file, boxes, chosen, np.ones(len(boxes)), second=second, group=moment[0]))
    if not keyframes:
        raise DataError(f"{path}: no keyframe of it is on a video of {videos} ({len(files)} files)")
    named = {why: tuple(dict.fromkeys(what)) for why, what in left_out.items() if what}
    names = tuple(actions[number] for number in columns)
    return Keyframes(tuple(keyframes), names, named, frozenset(excluded))


def read_people(path: Path | str) -> tuple[People, dict[str, tuple[str, ...]]]:
    """People a detector found, `..., bottom, [action,] score` a line, and what was left out, as in `Keyframes`.

    The same box on several lines is one, with its best score. Raises DataError for a file without any.
    """
    left_out: dict[str, list[str]] = defaultdict(list)
    found: dict[Moment, dict[Box, float]] = defaultdict(dict)
    for where, moment, box, rest in _lines(Path(path), 7, left_out):
        try:
            score = float(rest[-1])
        except ValueError:
            score = np.nan
        if not box or not 0 <= score <= 1:
            left_out["bad line"].append(f"{where}: wanted a box and a score in 0..1, got '{','.join(rest)}'")
        else:
            found[moment][box] = max(score, found[moment].get(box, 0.0))
    if not found:
        raise DataError(f"{path}: no detections in it, {len(left_out['bad line'])} bad lines")
    people = {moment: (np.array(list(boxes)), np.array(list(boxes.values()))) for moment, boxes in found.items()}
    return people, {why: tuple(what) for why, what in left_out.items() if what}


def read_actions(path: Path | str) -> dict[int, str]:
    """Number -> name, of an action list in protobuf text (`item { name: ... id: ... }`) or csv (`number, name`)."""
    text = Path(path).read_text(encoding="utf-8")
    if "{" in text:
        named = [(re.search(r"\b(?:label_)?id:\s*(\d+)", item), re.search(r'name:\s*"(.*)"', item))
                 for item in text.split("}")]  # fmt: skip
        found = {int(number[1]): name[1] for number, name in named if number and name}
    else:
        rows = [row for row in csv.reader(text.splitlines()) if len(row) >= 2]
        found = {int(row[0]): row[1] for row in rows if row[0].strip().isdigit()}
    if not found:
        raise DataError(f"{path}: no actions in it; wanted the pbtxt or csv that comes with AVA")
    return found


def read_excluded(path: Path | str) -> set[Moment]:
    """Moments that the protocol leaves out, a line `video, second` each. Raises DataError."""
    left_out: dict[str, list[str]] = defaultdict(list)
    found = {moment for _, moment, _, _ in _lines(Path(path), 2, left_out)}
    if left_out["bad line"]:
        raise DataError(f"{left_out['bad line'][0]}: an exclusion file has 'video, second'")
    return found


def _lines(
    path: Path, least: int, left_out: dict[str, list[str]]
) -> Iterator[tuple[str, Moment, Box | None, list[str]]]:
    """("file:line", moment, box, the fields after it) of every line with at least so many fields; no box: None."""
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(f"{path}: cannot be read as csv ({err})") from err
    for number, row in enumerate(rows, 1):
        where, fields = f"{path}:{number}", [part.strip() for part in row]
        if not any(fields):
            continue
        try:
            moment = (fields[0], float(fields[1]))
            if len(fields) < least or not fields[0]:
                raise ValueError
            box = np.array([[float(part) for part in fields[2:6]]]) if any(fields[2:6]) else None
        except (ValueError, IndexError):
            left_out["bad line"].append(f"{where}: wanted {least} fields, video, second, box ..., got {row}")
            continue
        if box is None:
            yield where, moment, None, fields[6:]
            continue
        (inside,), (kept,) = cut(box)
        if not kept:
            left_out["bad line"].append(f"{where}: a box without area in the frame, {box[0].tolist()}")
            continue
        if (inside != box[0]).any():
            left_out["cut"].append(f"{where}: a box that reaches out of the frame, {box[0].tolist()}")
        left, top, right, bottom = inside.tolist()
        yield where, moment, (left, top, right, bottom), fields[6:]
