"""Which clips a set has: samples with labels, captions, questions and boxes, read from the lists that exist.

`read_manifest` takes the lists of the official repositories as they are and finds the format from the content. Every
line that cannot be read is named with file and line; nothing is dropped without a word. Labels of -1 mean "none", as
in the official pre-training lists, and give a sample without that label.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mvkit.data.formats import FORMATS, detect
from mvkit.data.sample import Sample
from mvkit.errors import DataError, OptionError, unknown


@dataclass(frozen=True)
class Manifest(Sequence[Sample]):
    """Samples in the order of the list, with the names of their classes.

    classes: label set -> class names, empty where the list has none. root: what relative paths were resolved against.
    source: the file or folder it was read from. problems: lines that could not be read (only with `bad="list"`).
    """

    samples: tuple[Sample, ...]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    root: Path | None = None
    source: Path | None = None
    card: str = ""
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __getitem__(self, index: Any) -> Any:
        """A sample for a whole number; a smaller manifest for a slice."""
        return replace(self, samples=self.samples[index]) if isinstance(index, slice) else self.samples[index]

    def __repr__(self) -> str:
        sets = ", ".join(f"{name}: {self.num_classes(name)} classes" for name in self.label_names)
        return f"Manifest({len(self)} samples{', ' + sets if sets else ''}, source={str(self.source)!r})"

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """Names of the label sets, in the order met."""
        return tuple(dict.fromkeys([*self.classes, *(name for sample in self.samples for name in sample.labels)]))

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in the order met."""
        return tuple(dict.fromkeys(sample.split for sample in self.samples))

    def num_classes(self, label: str) -> int:
        """How many classes a label set has: named ones, else one more than the highest label seen."""
        named = self.classes.get(label)
        return len(named) if named else int(self.labels(label).max(initial=-1)) + 1

    def labels(self, label: str) -> np.ndarray:
        """(n,) int64 class numbers, -1 where a sample has none. Raises OptionError for an unknown label set."""
        if label not in self.label_names:
            raise OptionError(unknown("label set", label, self.label_names))
        return np.array([sample.labels.get(label, -1) for sample in self.samples], dtype=np.int64)

    def split(self, name: str) -> "Manifest":
        """The samples of one split. Raises OptionError for a name no sample has."""
        if name not in self.splits:
            raise OptionError(unknown("split", name, self.splits))
        return self.select(i for i, sample in enumerate(self.samples) if sample.split == name)

    def select(self, indices: Iterable[int]) -> "Manifest":
        """The samples at these places, in this order."""
        return replace(self, samples=tuple(self.samples[i] for i in indices))


def read_manifest(
    path: str | Path,
    *,
    format: str = "auto",
    root: str | Path | None = None,
    label: str = "label",
    split: str | None = None,
    bad: str = "raise",
) -> Manifest:
    """Read a list of clips; the format is found from the content unless named.

    path: a list file, or a folder with one sub-folder per class.
    format: `jsonl` (this kit's), `list` (path label; space, tab or comma), `frames` (path count label), `captions`
    (JSON array of video or image with caption, or question and answer), `folder`, `auto`; `spans` (path first count:
    pre-training lists of VideoMAE V2, with `0 -1` for whole videos).
    root: what relative paths start from; the list's own folder by default. label: the name given to the one label of
    the official lists. split: keep one split only.
    bad: `raise` on lines that cannot be read, or `list` them in `problems` and go on.
    Raises DataError naming file and line, OptionError for an unknown format or split.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"{path}: no such manifest; give a list file or a folder of class folders")
    if bad not in ("raise", "list"):
        raise OptionError(unknown("way with bad lines", bad, ("raise", "list")))
    name = detect(path) if format == "auto" else format
    if name not in FORMATS:
        raise OptionError(unknown("manifest format", name, FORMATS))
    base = Path(root).expanduser() if root is not None else (path if path.is_dir() else path.parent)
    found = FORMATS[name](path, base, label)
    if found.problems and bad == "raise":
        shown = "; ".join(found.problems[:5]) + (" ..." if len(found.problems) > 5 else "")
        raise DataError(f"{len(found.problems)} bad lines ({name} format): {shown}; repair them or pass bad='list'")
    if not found.samples:
        raise DataError(f"{path}: no samples in it ({name} format, {len(found.problems)} bad lines)")
    manifest = Manifest(tuple(found.samples), found.classes, base, path, found.card, tuple(found.problems))
    for key, names in found.classes.items():
        followed = (max(track.labels.get(key, ()), default=-1) for sample in manifest for track in sample.tracks)
        if (highest := max(int(manifest.labels(key).max()), *followed, -1)) >= len(names):
            raise DataError(f"{path}: label {highest} of '{key}' has no name; {len(names)} class names were given")
    return manifest if split is None else manifest.split(split)
