"""One sample of a set: a clip, an image or a folder of frames, and what its list says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mvkit.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".3gp")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif")


@dataclass(frozen=True)
class Track:
    """One thing followed through a clip: a box and classes for every frame of the file.

    boxes: (T, 4) left, top, right, bottom, shares of the frame in [0, 1]. labels: label set -> (T,) class numbers.
    Raises DataError for boxes without area or outside the frame, or labels that are not one a frame.
    """

    boxes: tuple[tuple[float, ...], ...]
    labels: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        for frame, box in enumerate(self.boxes):
            if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
                raise DataError(f"a track's box is left, top, right, bottom in 0..1, got {box} at frame {frame}")
        for name, classes in self.labels.items():
            if len(classes) != len(self.boxes) or not all(type(k) is int and k >= 0 for k in classes):
                raise DataError(f"a track of {len(self.boxes)} boxes wants as many classes of '{name}', got {classes}")


@dataclass(frozen=True)
class Sample:
    """One clip, image or folder of frames.

    path: where it lies. labels: label set -> class number, 0 or more.
    start, end: the part that is meant, in seconds; None means all of it. frames: the count its list gives, if any;
    first: the number in the name of the first of them, for folders that hold more.
    split: the part of the set it belongs to. qa: dicts with question and answer. boxes: (S, T, 4) nested lists.
    group: clips that differ from each other only in what their captions say; "" means none.
    choices: captions to choose from, of which number `choice` is right. tracks: things followed through all frames.
    """

    path: Path
    labels: Mapping[str, int] = field(default_factory=dict)
    captions: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    frames: int | None = None
    first: int | None = None
    split: str = ""
    qa: tuple[Mapping[str, Any], ...] = ()
    boxes: Any = None
    group: str = ""
    choices: tuple[str, ...] = ()
    choice: int | None = None
    tracks: tuple[Track, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def caption(self) -> str:
        """The first caption, "" where there is none."""
        return self.captions[0] if self.captions else ""

    @property
    def kind(self) -> str:
        """`image` by its suffix, `frames` for a folder of frames (no known suffix and a frame count), else `video`."""
        suffix = self.path.suffix.lower()
        if suffix in IMAGE_SUFFIXES:
            return "image"
        return "frames" if self.frames and suffix not in VIDEO_SUFFIXES else "video"
