"""One sample of a set: a clip, an image or a folder of frames, and what its list says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".3gp")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif")


@dataclass(frozen=True)
class Sample:
    """One clip, image or folder of frames.

    path: where it lies. labels: label set -> class number, 0 or more.
    start, end: the part that is meant, in seconds; None means all of it. frames: the count its list gives, if any;
    first: the number in the name of the first of them, for folders that hold more.
    split: the part of the set it belongs to. qa: dicts with question and answer. boxes: (S, T, 4) nested lists.
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
