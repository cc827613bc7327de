"""Data cards: what is known of a data set, one Markdown file each, checked when read.

The YAML head says licence, splits with counts, frame rate, label sets, the manifest format and what an audit found;
the text says it for people. `unknown` is written where nothing certain is known, and reads back as None. Cards are
looked for in $MVKIT_CARDS, in the checkout this package runs from, and in `data_cards/` of the working directory.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from mvkit.errors import DataError, OptionError, unknown

MODALITIES = ("video", "video-text", "image", "image-text")
MANIFEST_FORMATS = ("jsonl", "list", "frames", "spans", "captions", "folder")
"""Formats that `mvkit.data.read_manifest` reads."""


@dataclass(frozen=True)
class Split:
    """clips: how many, None where unknown. note: which release or list the count is of."""

    clips: int | None
    note: str = ""


@dataclass(frozen=True)
class LabelSet:
    """classes: how many. names: the class names in order, where the card lists them; source: where they are if not."""

    classes: int
    names: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Card:
    """One data set.

    license: an identifier (`cc-by-4.0`), `other`, or None where unknown; `license_note` says it in words. fps: frames
    per second, None where unknown, a text such as `varies` where there is no one number. labels: label set -> classes.
    manifest: `format` and `line`, what a line of its list looks like. audit: what reading its files has shown.
    fingerprint: hash of the file, for the provenance of a run.
    """

    name: str
    title: str
    license: str | None
    license_note: str
    modality: str
    papers: tuple[str, ...]
    splits: Mapping[str, Split]
    fps: float | str | None
    labels: Mapping[str, LabelSet]
    manifest: Mapping[str, str]
    audit: str
    text: str
    path: Path
    fingerprint: str
    extra: Mapping[str, Any] = field(default_factory=dict)


_FIELDS: dict[str, tuple[type, ...]] = {
    "pretty_name": (str,),
    "license": (str,),
    "license_note": (str,),
    "modality": (str,),
    "papers": (list,),
    "splits": (dict,),
    "fps": (int, float, str),
    "labels": (dict,),
    "manifest": (dict,),
    "audit": (str,),
}


def folder() -> Path:
    """Where the cards are. Raises DataError naming the places looked in."""
    places = [Path(__file__).resolve().parents[1] / "data_cards", Path.cwd() / "data_cards"]
    if named := os.environ.get("MVKIT_CARDS"):
        places = [Path(named).expanduser()]  # named on purpose: nothing else will do
    for place in places:
        if place.is_dir() and any(place.glob("*.md")):
            return place
    looked = ", ".join(str(place) for place in places)
    raise DataError(f"no data cards in {looked}; set MVKIT_CARDS to the data_cards folder of a checkout")


def available() -> tuple[str, ...]:
    """Names of the cards, sorted. Raises DataError if there is no folder of cards."""
    return tuple(sorted(path.stem for path in folder().glob("*.md") if path.stem != "README"))


def load(name: str) -> Card:
    """The card of a data set. Raises OptionError for an unknown name, DataError for a card that is not sound."""
    names = available()
    if name not in names:
        raise OptionError(unknown("data card", name, names))
    return read(folder() / f"{name}.md")


def read(path: str | Path) -> Card:
    """A card from a file; its name is the file's. Raises DataError naming the file and the field."""
    import yaml
    from huggingface_hub.repocard import metadata_load

    path = Path(path)
    try:
        raw = path.read_bytes()
        head = metadata_load(path)
    except OSError as err:
        raise DataError(f"{path}: cannot be read ({err.strerror})") from err
    except (yaml.YAMLError, ValueError) as err:
        raise DataError(f"{path}: the YAML head cannot be read ({' '.join(str(err).split())})") from err
    if not head:
        raise DataError(f"{path}: a data card begins with a YAML head between two lines of ---")
    _check(path, head)
    labels = {name: _label_set(path, name, value) for name, value in head["labels"].items()}
    splits = {name: _split(path, name, value) for name, value in head["splits"].items()}
    text = raw.decode("utf-8-sig").split("\n---", 1)[1].split("\n", 1)[-1].strip()
    return Card(
        name=path.stem,
        title=head["pretty_name"],
        license=_known(head["license"]),
        license_note=head["license_note"],
        modality=head["modality"],
        papers=tuple(head["papers"]),
        splits=splits,
        fps=_known(head["fps"]),
        labels=labels,
        manifest=head["manifest"],
        audit=head["audit"],
        text=text,
        path=path,
        fingerprint=sha256(raw).hexdigest()[:12],
        extra={key: value for key, value in head.items() if key not in _FIELDS},
    )


def _check(path: Path, head: Mapping[str, Any]) -> None:
    for name, types in _FIELDS.items():
        if name not in head:
            raise DataError(f"{path}: the head lacks '{name}'; write 'unknown' where it is not known")
        value = head[name]
        if not isinstance(value, types) or isinstance(value, bool):
            wanted = " or ".join(kind.__name__ for kind in types)
            raise DataError(f"{path}: '{name}' must be {wanted}, got {value!r}")
    if head["modality"] not in MODALITIES:
        raise DataError(f"{path}: {unknown('modality', head['modality'], MODALITIES)}")
    if not head["splits"]:
        raise DataError(f"{path}: 'splits' names no split")
    manifest = head["manifest"]
    if set(manifest) != {"format", "line"} or not all(isinstance(value, str) for value in manifest.values()):
        raise DataError(f"{path}: 'manifest' must hold the texts 'format' and 'line', got {sorted(manifest)}")
    if manifest["format"] not in MANIFEST_FORMATS:
        raise DataError(f"{path}: {unknown('manifest format', manifest['format'], MANIFEST_FORMATS)}")
    if not head["license_note"].strip() or not head["audit"].strip():
        raise DataError(f"{path}: 'license_note' and 'audit' must say something; 'unknown' and 'not audited' will do")


def _split(path: Path, name: str, value: Any) -> Split:
    value = {"clips": value} if isinstance(value, int | str) else value
    if not isinstance(value, dict) or not set(value) <= {"clips", "note"} or "clips" not in value:
        raise DataError(f"{path}: split '{name}' must be a count, or 'clips' and 'note'; got {value!r}")
    clips = _known(value["clips"])
    if clips is not None and (not isinstance(clips, int) or isinstance(clips, bool) or clips < 1):
        raise DataError(f"{path}: split '{name}' has clips={clips!r}; wanted a whole number or 'unknown'")
    return Split(clips, str(value.get("note", "")))


def _label_set(path: Path, name: str, value: Any) -> LabelSet:
    if not isinstance(value, dict) or not set(value) <= {"classes", "names", "source"} or "classes" not in value:
        raise DataError(f"{path}: label set '{name}' must hold 'classes' and 'names' or 'source'; got {value!r}")
    classes, names = value["classes"], tuple(value.get("names", ()))
    if type(classes) is not int or classes < 1 or (names and len(names) != classes):
        raise DataError(f"{path}: label set '{name}' says {classes!r} classes and lists {len(names)} names")
    return LabelSet(classes, names, str(value.get("source", "")))


def _known(value: Any) -> Any:
    return None if value == "unknown" else value
