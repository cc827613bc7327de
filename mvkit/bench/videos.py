"""Video files to read in a benchmark: made here, or those of a folder."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from mvkit.data.ingest import ingest
from mvkit.data.manifest import Manifest
from mvkit.data.sample import VIDEO_SUFFIXES, Sample
from mvkit.errors import DataError

# "web": x264 as people use it, long groups and B-frames. "kit": the same, as `mvkit data ingest` leaves them.
KINDS = ("kit", "web")


def make(folder: Path, *, files: int, frames: int = 120, width: int = 480, height: int = 360) -> dict[str, list[Path]]:
    """Write `files` mp4 files of each of `KINDS`; kind -> paths. Pictures: a soft texture that drifts, with grain."""
    (folder / "web").mkdir(parents=True, exist_ok=True)
    web = [folder / "web" / f"{number:03d}.mp4" for number in range(files)]
    for number, path in enumerate(web):
        _as_web(path, _pictures(number, frames, width, height))
    return {"kit": [Path(record.target) for record in ingest(web, folder / "kit", root=folder / "web")], "web": web}


def below(folder: Path) -> list[Path]:
    """Video files in a folder, in order of name. Raises DataError if there are none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        raise DataError(f"{folder}: no video files in it")
    return paths


def as_manifest(paths: list[Path], clips: int) -> Manifest:
    """These files again and again, until there are `clips` samples."""
    return Manifest(tuple(Sample(paths[i % len(paths)]) for i in range(clips)))


def _pictures(seed: int, frames: int, width: int, height: int) -> np.ndarray:
    """(T, H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = np.repeat(np.repeat(rng.integers(30, 220, (height // 8, width // 8, 3)), 8, 0), 8, 1)
    field = (coarse + np.roll(coarse, 5, 0) + np.roll(coarse, 5, 1) + np.roll(coarse, (3, 3), (0, 1))) // 4
    grain = rng.integers(-6, 7, (height, width, 1))
    moved = [np.roll(field, (t // 2, 2 * t), (0, 1)) + np.roll(grain, 7 * t, 1) for t in range(frames)]
    return np.stack(moved).clip(0, 255).astype(np.uint8)


def _as_web(path: Path, pictures: np.ndarray) -> None:
    import av

    with av.open(str(path), "w") as container:
        options = {"crf": "23", "preset": "veryfast", "bf": "3", "g": "250"}
        stream = container.add_stream("libx264", rate=30, options=options)
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
