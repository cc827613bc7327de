"""Reading and cropping clips: each reader against decord and PIL, and the loader against what a step eats.

The baseline is the chain that the field's loaders are made of: decord's `get_batch` on one thread, then PIL's crop and
bilinear resize, frame by frame, on the same frames and boxes. `uint8` stops at a uint8 clip, as ours does; `float` goes
on to normalised floats, as those loaders do for every clip before it goes to the device.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mvkit.bench import videos
from mvkit.bench.clock import Spread, alternate, ratio
from mvkit.bench.growth import over_clips
from mvkit.bench.machine import describe
from mvkit.bench.record import flat, today
from mvkit.bench.subjects import Subject
from mvkit.data.audit import AuditRecord, audit
from mvkit.data.crops import crop, frame_size, from_frames, multi_scale_box, resize
from mvkit.data.dataset import ClipDataset
from mvkit.data.frames import read_frames, readers_available
from mvkit.data.loader import ClipLoader
from mvkit.data.probe import probe
from mvkit.errors import OptionError
from mvkit.models.vit import IMAGENET_MEAN, IMAGENET_STD

Say = Callable[[str], object]


def bench_data(
    *,
    folder: Path | None = None,
    files: int = 8,
    frames: int = 16,
    stride: int = 4,
    size: int = 224,
    workers: Sequence[int] = (0, 1, 2),
    clips: int = 64,
    memory_clips: int = 0,
    readers: Sequence[str] = (),
    rounds: int = 5,
    clock: str = "wall",
    step: str = "small",
    progress: Say = print,
) -> dict[str, Any]:
    """The record of `mvkit bench data`.

    folder: of videos besides the two kinds made here, `files` of each. clips: read by the loader for each count of
    workers. memory_clips: read one after the other by each reader, while its memory is watched; 0 leaves that out.
    readers: all that load by default. step: size of the VideoMAE whose appetite, clips/s of its training step, the
    loader is held against; "" leaves that out.
    """
    chosen = tuple(readers) or readers_available()
    if missing := sorted(set(chosen) - set(readers_available())):
        raise OptionError(f"reader '{missing[0]}' does not load here; there are: {', '.join(readers_available())}")
    with tempfile.TemporaryDirectory(prefix="mvkit-bench-") as temporary:
        sets = videos.make(Path(temporary), files=files, frames=max(120, frames * stride + 8))
        if folder is not None:
            sets["folder"] = videos.below(folder)
        records = {record.path: record for record in audit([path for paths in sets.values() for path in paths])}
        sets = {kind: [path for path in paths if records[str(path.absolute())].state == "good"]
                for kind, paths in sets.items()}  # fmt: skip
        options = {"frames": frames, "stride": stride, "size": size}
        found = [
            row
            for kind, paths in sets.items()
            for row in _readers(kind, paths, chosen, records, options, rounds, clock, progress)
        ]
        appetite = {precision: _appetite(step, frames, size, precision) for precision in ("fp32", "bf16") if step}
        loaded = list(_loaders(sets["kit"], clips, workers, options, records, appetite, progress))
        memory = [
            over_clips(reader, sets["kit"], memory_clips, options, records, progress)
            for reader in chosen if memory_clips
        ]  # fmt: skip
    return {
        "bench": "data", "date": today(), "clock": clock, "rounds": rounds, **options, "machine": describe(),
        "appetite_clips_per_s": appetite, "results": found, "loader": loaded, "memory": memory,
    }  # fmt: skip


def _readers(
    kind: str, paths: list[Path], names: Sequence[str], records: Mapping[str, AuditRecord], options: Mapping[str, Any],
    rounds: int, clock: str, progress: Say,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Every reader that is exact on all these files, with the baseline, over the same clips."""
    names = [name for name in names if all(name in records[str(path.absolute())].exact for path in paths)]
    wanted = [(path, _numbers(path, options, place)) for place, path in enumerate(paths)]

    def over(read: Callable[[Path, np.ndarray, int], Tensor]) -> Callable[[], None]:
        def call() -> None:
            for place, (path, numbers) in enumerate(wanted):
                read(path, numbers, place)

        return call

    calls = {name: over(partial(_ours, name, options["size"], records)) for name in ("auto", *names)}
    if "decord" in names:
        calls["decord+PIL, uint8"] = over(partial(_decord_pil, options["size"]))
        calls["decord+PIL, float"] = over(partial(_decord_pil_float, options["size"]))
    took = alternate(calls, rounds=rounds, clock=clock)
    for name, times in took.items():
        row: dict[str, Any] = {"files": kind, "reader": name,
                               **flat("clips_per_s", Spread.of([len(wanted) / one for one in times]), 2)}  # fmt: skip
        for end in ("uint8", "float"):
            if f"decord+PIL, {end}" in took:
                row |= flat(f"ratio_to_decord_pil_{end}", ratio(took[f"decord+PIL, {end}"], times))
        held = [f", {row[key]:.2f} x decord and PIL to {end}" for end in ("uint8", "float")
                if (key := f"ratio_to_decord_pil_{end}_median") in row]  # fmt: skip
        progress(f"{kind} files, {name}: {row['clips_per_s_median']:.1f} clips/s{''.join(held)}")
        yield row


def _numbers(path: Path, options: Mapping[str, Any], place: int) -> np.ndarray:
    span = (options["frames"] - 1) * options["stride"] + 1
    first = np.random.default_rng(place).integers(max(1, probe(path).frames - span + 1))
    return np.minimum(first + np.arange(options["frames"]) * options["stride"], probe(path).frames - 1)


def _ours(
    reader: str, size: int, records: Mapping[str, AuditRecord], path: Path, numbers: np.ndarray, place: int
) -> Tensor:
    clip = from_frames(read_frames(path, numbers, reader, audit=records))
    box = multi_scale_box(*frame_size(clip), size, np.random.default_rng(place))
    return resize(crop(clip, box), size, size)


def _decord_pil(size: int, path: Path, numbers: np.ndarray, place: int) -> Tensor:
    import decord
    from PIL import Image

    video = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
    frames = video.get_batch(numbers).asnumpy()
    height, width = frames.shape[1:3]
    box = multi_scale_box(height, width, size, np.random.default_rng(place))
    corners = (box.left, box.top, box.left + box.width, box.top + box.height)
    made = [Image.fromarray(frame).crop(corners).resize((size, size), Image.Resampling.BILINEAR) for frame in frames]
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in made])).permute(0, 3, 1, 2)


def _decord_pil_float(size: int, path: Path, numbers: np.ndarray, place: int) -> Tensor:
    clip = _decord_pil(size, path, numbers, place).contiguous().float().div(255)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return clip.sub_(mean).div_(std).transpose(0, 1)


def _appetite(size: str, frames: int, image: int, precision: str) -> float:
    """Clips a second that the training step of a VideoMAE eats."""
    subject = Subject("videomae", size, batch=2, frames=frames, image=image, precision=precision)
    took = alternate({"step": subject.step}, rounds=3)["step"]
    return round(len(subject.clips) / statistics.median(took), 2)


def _loaders(
    paths: list[Path], clips: int, workers: Sequence[int], options: Mapping[str, Any],
    records: Mapping[str, AuditRecord], appetite: Mapping[str, float], progress: Say,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The loader with each count of workers, by the wall clock; starting the workers does not count."""
    batch = 8
    for count in workers:
        dataset = ClipDataset(videos.as_manifest(paths, clips + 2 * batch), **options, audit=records)
        batches = iter(ClipLoader(dataset, batch, workers=count, epochs=None))
        for _ in range(2):  # the workers start and fill their queues
            next(batches)
        began, read = time.perf_counter(), 0
        while read < clips:
            read += len(next(batches))
        rate = read / (time.perf_counter() - began)
        del batches
        row = {"workers": count, "clips_per_s": round(rate, 2)}
        row |= {f"ratio_to_appetite_{name}": round(rate / eats, 2) for name, eats in appetite.items()}
        progress(f"loader, {count} workers: {rate:.1f} clips/s" + "".join(
            f", {rate / eats:.1f} x what a step in {name} eats" for name, eats in appetite.items()))  # fmt: skip
        yield row
