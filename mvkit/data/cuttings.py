"""One video made into a small training set: windows in time and squares in space, written as clips of one size.

This is how a video of any length and size takes part in a training at 64 pixels: its middle fifth gives whole-frame
clips that training never sees (ends are often credits, black, or damaged), the rest random cuttings. A video too short
for that gives both from all its frames, and `held_out` says so.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from torch import Tensor

from mvkit.data.augment import Centre
from mvkit.data.crops import crop, frame_size, from_frames, random_resized_box, resize
from mvkit.data.frames import read_frames
from mvkit.data.manifest import Manifest, read_manifest
from mvkit.data.probe import probe
from mvkit.data.sample import Sample
from mvkit.data.shapes.writer import encode
from mvkit.errors import DataError, OptionError
from mvkit.whole import whole

RECIPE = 1  # raised whenever the same spec would give other clips, so that older ones are not taken for them
SQUARES = 4  # cuttings made of one reading: decoding is what costs


@dataclass(frozen=True)
class CuttingSpec:
    """clips: to train on. val: from the end, whole frames. frames, stride: of a clip, in frames of the video (stride is
    lowered where the video is too short for it). size: of its square frames, even. area: share of a frame that a
    square takes, smallest and largest. seed: of the draws. Raises OptionError for values out of range."""

    clips: int = 64
    val: int = 2
    frames: int = 24
    stride: int = 2
    size: int = 64
    area: tuple[float, float] = (0.35, 1.0)
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.clips, self.val, self.frames, self.stride) < 1 or self.size < 16 or self.size % 2:
            raise OptionError(f"{self}: counts must be 1 or more, size even and at least 16")


@dataclass(frozen=True)
class Cuttings:
    """train, val: the clips. sample: the part of the video that val shows. held_out: whether train shows none of it."""

    train: Manifest
    val: Manifest
    sample: Sample
    held_out: bool

    def beside(self, manifest: Manifest) -> Manifest:
        """Another set's samples and then the cuttings to train on, which have no labels."""
        return replace(manifest, samples=(*manifest, *self.train))


def cut(video: str | Path, folder: str | Path, spec: CuttingSpec | None = None, *, reader: str = "auto") -> Cuttings:
    """The cuttings of a video, written below `folder` if they are not there yet.

    The same file and spec give the same clips. Raises DataError for a video that cannot be read or has fewer than
    two frames.
    """
    spec = spec or CuttingSpec()
    info = probe(video)
    seen, held = split(info.frames, spec)
    said = json.dumps({"recipe": RECIPE, "video": str(info.path), "stamp": info.stamp, **asdict(spec)}, sort_keys=True)
    home = Path(folder) / sha256(said.encode()).hexdigest()[:12]
    if not (home / "manifest.jsonl").is_file():
        fps = max(1, round(info.fps / spec.stride))
        lines = [json.dumps({"mvkit_manifest": 1, "video": str(info.path), "spec": asdict(spec)})]
        clips = {"train": _random(info.path, seen, spec, reader), "val": _whole(info.path, held, spec, reader)}
        for part, made in clips.items():
            (home / part).mkdir(parents=True, exist_ok=True)
            for number, clip in enumerate(made):
                name = f"{part}/{number:04d}.mp4"
                (home / name).write_bytes(encode(clip.permute(0, 2, 3, 1).numpy(), fps))
                lines.append(json.dumps({"path": name, "split": part}))
        # The list goes last: where it lies, the set is whole.
        with whole(home / "manifest.jsonl") as part:
            part.write_text("\n".join(lines) + "\n")
    manifest = read_manifest(home / "manifest.jsonl")
    # Half a frame on, so that rounding of seconds to frames ends on these frames.
    ends = [(frame + 0.5) / info.fps for frame in (held.start, held.stop - 1)] if info.fps else [None, None]
    sample = Sample(Path(info.path), start=ends[0], end=ends[1])
    return Cuttings(manifest.split("train"), manifest.split("val"), sample, held_out=held not in seen)


def split(length: int, spec: CuttingSpec) -> tuple[list[range], range]:
    """Spans of frames to train on, and the frames held out: the middle fifth, if that holds a clip; else all for both.

    Raises DataError for fewer than two frames.
    """
    if length < 2:
        raise DataError(f"a video of {length} frames does not move; give one of at least 2 frames")
    first, last = int(0.4 * length), int(0.6 * length)
    if last - first < spec.frames:
        return [range(length)], range(length)
    return [range(first), range(last, length)], range(first, last)


def window(span: range, spec: CuttingSpec, place: float) -> np.ndarray:
    """Frame numbers of one clip, `place` in [0, 1] from the first to the last possible start.

    Where the span is shorter than a clip, frames are spread over it and repeat.
    """
    stride = max(1, min(spec.stride, (len(span) - 1) // max(1, spec.frames - 1)))
    free = len(span) - 1 - stride * (spec.frames - 1)
    if free < 0:
        return span.start + np.linspace(0, len(span) - 1, spec.frames).round().astype(np.int64)
    return span.start + round(place * free) + stride * np.arange(spec.frames)


def _random(path: Path, spans: list[range], spec: CuttingSpec, reader: str) -> Iterator[Tensor]:
    """Clips (T, 3, size, size) uint8: SQUARES random squares of each of many random windows."""
    generator = np.random.default_rng(spec.seed)
    for first in range(0, spec.clips, SQUARES):
        span = spans[first // SQUARES % len(spans)]
        frames = read_frames(path, window(span, spec, float(generator.random())), reader=reader)
        clip = from_frames(frames)
        for _ in range(min(SQUARES, spec.clips - first)):
            box = random_resized_box(*frame_size(clip), generator, area=spec.area, aspect=(1.0, 1.0))
            yield resize(crop(clip, box), spec.size, spec.size)


def _whole(path: Path, span: range, spec: CuttingSpec, reader: str) -> Iterator[Tensor]:
    """Clips (T, 3, size, size) uint8: the middle square, from windows spread over the span."""
    for number in range(spec.val):
        frames = read_frames(path, window(span, spec, number / max(1, spec.val - 1)), reader=reader)
        yield Centre(spec.size)(from_frames(frames))
