"""Entries of JSON lists, checked: what a file says of one clip, as a `Sample`."""

import json
from pathlib import Path
from typing import Any

from mvkit.data.sample import Sample, Track
from mvkit.errors import DataError


def sample_of(entry: Any, root: Path, label: str) -> Sample:
    """The sample an object of a JSON list means; relative paths start from `root`, a lone label is named `label`.

    Raises DataError saying what was wanted and what came.
    """
    if not isinstance(entry, dict):
        raise DataError(f"wanted an object, got {short(json.dumps(entry))}")
    name = next((entry[key] for key in ("path", "video", "image") if key in entry), None)
    if not isinstance(name, str) or not name:
        raise DataError(f"wanted a file name under 'path', 'video' or 'image', got keys {sorted(entry)}")
    labels = entry.get("labels", {label: entry["label"]} if "label" in entry else {})
    if not isinstance(labels, dict) or not all(type(v) is int and v >= -1 for v in labels.values()):
        raise DataError(f"labels must be whole numbers of at least -1, got {labels!r}")
    captions = entry.get("caption", ())
    captions = (captions,) if isinstance(captions, str) else captions
    if not isinstance(captions, list | tuple) or not all(isinstance(c, str) for c in captions):
        raise DataError(f"caption must be text or a list of texts, got {captions!r}")
    qa = entry.get("qa", ())
    if "question" in entry:
        kept = ("question_id", "question", "answer", "answer_list", "weight")
        qa = ({key: entry[key] for key in kept if key in entry},)
    if not all(isinstance(item, dict) and isinstance(item.get("question"), str) for item in qa):
        raise DataError(f"qa must be a list of objects with 'question' and 'answer', got {short(json.dumps(qa))}")
    times = [entry.get("start"), entry.get("end")]
    if not all(t is None or (isinstance(t, int | float) and t >= 0) for t in times) or (
        None not in times and times[1] <= times[0]  # type: ignore[operator]
    ):
        raise DataError(f"start and end are seconds, 0 <= start < end, got {times}")
    return Sample(
        root / name,
        {key: value for key, value in labels.items() if value >= 0},
        captions=tuple(c for c in captions if c),
        start=times[0],
        end=times[1],
        frames=entry.get("frames"),
        split=entry.get("split", ""),
        qa=tuple(qa),
        boxes=entry.get("boxes"),
        tracks=_tracks(entry.get("tracks", ())),
        **_group(entry),
    )


def _group(entry: dict[str, Any]) -> dict[str, Any]:
    group, choices, choice = entry.get("group", ""), entry.get("choices", ()), entry.get("choice")
    if not isinstance(group, str):
        raise DataError(f"group must be text, got {group!r}")
    texts = isinstance(choices, list | tuple) and all(isinstance(text, str) for text in choices)
    if not texts or (choice is not None and (type(choice) is not int or not 0 <= choice < len(choices))):
        raise DataError(f"choice is the place of the right one of choices, texts; got {choice!r} of {choices!r}")
    return {"group": group, "choices": tuple(choices), "choice": choice}


def _tracks(entries: Any) -> tuple[Track, ...]:
    try:
        found = [([tuple(map(float, box)) for box in entry["boxes"]], dict(entry["labels"])) for entry in entries]
        parts = [(tuple(boxes), {key: tuple(classes) for key, classes in sets.items()}) for boxes, sets in found]
    except (TypeError, ValueError, KeyError) as err:
        shown = short(json.dumps(entries))
        raise DataError(f"tracks must be a list of boxes (T, 4) with labels of T classes, got {shown}") from err
    return tuple(Track(boxes, sets) for boxes, sets in parts)


def short(line: str) -> str:
    """A line in quotes, cut to 80 characters, for a message."""
    return repr(line if len(line) <= 80 else line[:77] + "...")
