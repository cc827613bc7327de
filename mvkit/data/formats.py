"""The list formats manifests come in, one reader each: text lists, JSON lines, JSON arrays, class folders.

A reader takes (path, root, label name) and gives samples and problems; it never stops at a bad line. Fields of a text
list are split from the right, so a path may hold spaces or commas; quotes around a path are taken off.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mvkit.data.entries import sample_of, short
from mvkit.data.sample import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Sample
from mvkit.errors import DataError


@dataclass
class Found:
    """What a reader brings home."""

    samples: list[Sample] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    card: str = ""


_WHOLE = re.compile(r"[+-]?\d+$")


def detect(path: Path) -> str:
    """The format of a list, from its content. Raises DataError for an empty or unreadable file."""
    if path.is_dir():
        return "folder"
    lines = [line for _, line in _lines(path)]
    if not lines:
        raise DataError(f"{path}: the list is empty")
    if lines[0].startswith("["):
        return "captions"
    if lines[0].startswith("{"):
        return "jsonl"
    fields = [_fields(line, _separator(lines)) for line in lines]
    # Three columns only if every line ends in two whole numbers: one path with a number in it must not decide.
    if not all(len(f) >= 3 and _WHOLE.match(f[-1]) and _WHOLE.match(f[-2]) for f in fields):
        return "list"
    # "path first count" has 0 or 1 where "path count label" has a frame count; whole videos there are "0 -1".
    middle = [int(f[-2]) for f in fields]
    return "spans" if max(middle) <= 1 or any(f[-2:] == ["0", "-1"] for f in fields) else "frames"


def read_text(path: Path, root: Path, label: str, wanted: str) -> Found:
    """Lines of `wanted`: "path label", "path count label" or "path first count", the last with "0 -1" for all of it."""
    found, lines = Found(), _lines(path)
    separator, numbers = _separator([line for _, line in lines]), len(wanted.split()) - 1
    for number, line in lines:
        parts = _fields(line, separator, numbers)
        values = [int(part) for part in parts[1:] if _WHOLE.match(part)]
        name = parts[0].strip().strip('"')
        if len(parts) != numbers + 1 or len(values) != numbers or not name:
            found.problems.append(f"{path}:{number}: wanted '{wanted}' with whole numbers, got {short(line)}")
        elif min(values) < -1:
            found.problems.append(f"{path}:{number}: numbers below -1 mean nothing, got {short(line)}")
        elif wanted == "path first count":
            first, count = values if values[1] > 0 else (None, None)
            found.samples.append(Sample(root / name, first=first, frames=count))
        else:
            labels = {label: values[-1]} if values[-1] >= 0 else {}
            count = values[0] if numbers == 2 and values[0] > 0 else None
            found.samples.append(Sample(root / name, labels, frames=count))
    return found


def read_jsonl(path: Path, root: Path, label: str) -> Found:
    """This kit's own lists: an optional head line with class names, then one object per sample."""
    found = Found()
    for number, line in _lines(path):
        where = f"{path}:{number}"
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as err:
            found.problems.append(f"{where}: not JSON ({err.msg} at column {err.colno}): {short(line)}")
            continue
        if isinstance(entry, dict) and "mvkit_manifest" in entry:
            found.classes = {name: tuple(names) for name, names in entry.get("classes", {}).items()}
            found.card = entry.get("card", "")
        else:
            _take(found, entry, where, root, label)
    return found


def read_captions(path: Path, root: Path, label: str) -> Found:
    """A JSON array of objects with `video`, `image` or `path`, and `caption`, or `question` and `answer`."""
    text = _text(path)
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as err:
        raise DataError(f"{path}:{err.lineno}: not JSON ({err.msg} at column {err.colno})") from err
    if not isinstance(entries, list):
        kind = type(entries).__name__
        raise DataError(f"{path}: wanted a JSON array of objects with 'video' and 'caption', got a {kind}")
    found = Found()
    for number, entry in enumerate(entries):
        _take(found, entry, f"{path}: entry {number}", root, label)
    return found


def read_folder(path: Path, root: Path, label: str) -> Found:
    """One sub-folder per class, sorted by name (ImageNet, UCF101, HMDB51); all images and videos below it."""
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if not folders:
        raise DataError(f"{path}: wanted one sub-folder per class, got none")
    found = Found(classes={label: tuple(folder.name for folder in folders)})
    for number, folder in enumerate(folders):
        files = sorted(f for f in folder.rglob("*") if f.is_file() and not f.name.startswith("."))
        for file in files:
            if file.suffix.lower() in VIDEO_SUFFIXES + IMAGE_SUFFIXES:
                found.samples.append(Sample(file, {label: number}))
            else:
                found.problems.append(f"{file}: neither a video nor an image by its suffix")
    return found


FORMATS: dict[str, Callable[[Path, Path, str], Found]] = {
    "jsonl": read_jsonl,
    # VideoMAE, MVD, AMD, UMT, ImageNet.
    "list": partial(read_text, wanted="path label"),
    # Folders of frames (SSv2, Kinetics rawframes), or videos with their frame count.
    "frames": partial(read_text, wanted="path count label"),
    # Pre-training lists without labels (VideoMAE V2).
    "spans": partial(read_text, wanted="path first count"),
    "captions": read_captions,
    "folder": read_folder,
}


def _take(found: Found, entry: Any, where: str, root: Path, label: str) -> None:
    try:
        found.samples.append(sample_of(entry, root, label))
    except DataError as err:
        found.problems.append(f"{where}: {err}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as err:
        raise DataError(f"{path}: not UTF-8 text (byte {err.start}); is this a list, and not a video?") from err
    except OSError as err:
        raise DataError(f"{path}: cannot be read ({err.strerror})") from err


def _lines(path: Path) -> list[tuple[int, str]]:
    """(line number from 1, stripped line), blank lines left out."""
    return [(number, line.strip()) for number, line in enumerate(_text(path).split("\n"), 1) if line.strip()]


def _separator(lines: list[str]) -> str | None:
    """Comma or tab if the first line ends in one and a number, else None for any run of spaces."""
    match = re.search(r"([,\t])\s*[+-]?\d+$", lines[0]) if lines else None
    return match.group(1) if match else None


def _fields(line: str, separator: str | None, most: int = 2) -> list[str]:
    return [part.strip() for part in line.rsplit(separator, most)]
