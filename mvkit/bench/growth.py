"""Does memory grow with the clips that are read? What a process holds after every tenth of many clips, by reader."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mvkit.bench import videos
from mvkit.bench.machine import describe
from mvkit.bench.memory import resident
from mvkit.bench.record import today
from mvkit.data.audit import AuditRecord, audit
from mvkit.data.dataset import ClipDataset
from mvkit.data.frames import readers_available

Say = Callable[[str], object]


def bench_growth(
    *, folder: Path | None = None, files: int = 4, clips: int = 10_000, frames: int = 4, stride: int = 2,
    size: int = 64, readers: Sequence[str] = (), progress: Say = print,
) -> dict[str, Any]:  # fmt: skip
    """A record of memory: a row for each kind of file and reader.

    clips: read one after the other, each from a file opened anew. folder: of videos; None makes `files` small ones of
    each of `videos.KINDS`.
    """
    options = {"frames": frames, "stride": stride, "size": size}
    with tempfile.TemporaryDirectory(prefix="mvkit-bench-") as temporary:
        if folder is None:
            sets = videos.make(Path(temporary), files=files, frames=64, width=160, height=120)
        else:
            sets = {"folder": videos.below(folder)}
        records = {record.path: record for record in audit([path for paths in sets.values() for path in paths])}
        rows = [
            {"files": kind, **over_clips(reader, paths, clips, options, records, progress)}
            for kind, paths in sets.items()
            for reader in tuple(readers) or readers_available()
        ]
    return {"bench": "growth", "date": today(), **options, "machine": describe(), "results": rows}


def over_clips(
    reader: str, paths: list[Path], clips: int, options: Mapping[str, Any], records: Mapping[str, AuditRecord],
    progress: Say,
) -> dict[str, Any]:  # fmt: skip
    """Resident MB after every tenth of `clips` clips; start is after the first tenth, when all caches are full."""
    dataset = ClipDataset(videos.as_manifest(paths, clips), **options, audit=records, reader=reader)
    marks = []
    for number in range(clips):
        dataset.batch([(0, number)])
        if (number + 1) % max(1, clips // 10) == 0:
            marks.append(resident())
    known = [round(mark, 1) for mark in marks if mark is not None]
    start, end = (known[0], known[-1]) if known else (None, None)
    progress(f"{reader}, {clips} clips: {start} MB, then {end} MB")
    return {"reader": reader, "clips": clips, "start_mb": start, "end_mb": end, "every_tenth_mb": known}
