"""Samples read whole: one sample's frames, a set kept in memory, a set as one array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mvkit.data.manifest import Manifest
from mvkit.data.sample import Sample
from mvkit.data.stills import frame_files, read_stills
from mvkit.errors import DataError, OptionError

if TYPE_CHECKING:
    from mvkit.data.audit import AuditRecord

    Audit = Mapping[str, AuditRecord]


class Length(NamedTuple):
    """The part of a file that a sample means: its first frame and how many."""

    first: int
    frames: int


def sample_length(sample: Sample) -> Length:
    """Which frames of its file a sample is made of. Raises DataError for a file that cannot be opened."""
    if sample.kind == "image":
        return Length(0, 1)
    if sample.kind == "frames":
        return Length(0, len(frame_files(sample.path, sample.first, sample.frames)))
    from mvkit.data.probe import probe

    info = probe(sample.path)
    first = int((sample.start or 0) * info.fps)
    last = info.frames if sample.end is None else min(info.frames, int(np.ceil(sample.end * info.fps)))
    if first >= last:
        raise DataError(
            f"{sample.path}: {sample.start}..{sample.end} s is not in it "
            f"({info.frames} frames at {float(info.fps):.3g} fps)"
        )
    return Length(first, last - first)


def read_sample(sample: Sample, indices: np.ndarray, reader: str = "auto", audit: Audit | None = None) -> np.ndarray:
    """(n, H, W, 3) uint8, exactly these frames. audit: records by path, of `load_audit`. Raises DataError."""
    if sample.kind != "video":
        return read_stills(sample.path, indices, sample.first)
    from mvkit.data.frames import read_frames

    return read_frames(sample.path, indices, reader=reader, audit=audit)


class FrameStore:
    """All frames of a set as one flat uint8 tensor: one block is shared with workers, not one per clip.

    What cannot be read goes to `bad`, place in the manifest -> reason. Raises OptionError beyond `limit` GiB.
    """

    def __init__(
        self, manifest: Manifest, reader: str, limit: float, bad: dict[int, str], audit: Audit | None = None
    ) -> None:
        self._places: dict[int, tuple[int, tuple[int, ...]]] = {}  # where a sample begins, and its shape
        parts, total = [], 0
        for index, sample in enumerate(manifest):
            try:
                length = sample_length(sample)
                frames = read_sample(sample, length.first + np.arange(length.frames), reader, audit)
            except DataError as err:
                bad[index] = str(err)
                continue
            self._places[index], total = (total, frames.shape), total + frames.size
            parts.append(torch.from_numpy(np.ascontiguousarray(frames)).reshape(-1))
            if total > limit * 2**30:
                raise OptionError(
                    f"cache='memory': {index + 1} of {len(manifest)} samples already take {total / 2**30:.1f} GiB, "
                    f"more than cache_limit={limit}; raise it, use a smaller set, or cache=None"
                )
        self._data = torch.cat(parts) if parts else torch.empty(0, dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self._places)

    def length(self, index: int) -> int:
        """Frames of a sample that could be read."""
        return self._places[index][1][0]

    def frames(self, index: int, picked: np.ndarray) -> Tensor:
        """(n, 3, H, W) uint8, a copy in channels-last memory."""
        begin, shape = self._places[index]
        clip = self._data[begin : begin + int(np.prod(shape))].view(shape)
        return clip[torch.from_numpy(picked)].permute(0, 3, 1, 2)


def load_arrays(
    manifest: Manifest,
    frames: int | None = None,
    *,
    stride: int = 1,
    reader: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """The set as one tensor (n, F, H, W, 3) uint8: frames 0, stride, 2 * stride, ... of every sample.

    frames: how many; None takes as many as the first sample has. For small sets of one frame size.
    Raises DataError naming the files that are broken, too short or of another size.
    """
    out, problems = None, []
    for number, sample in enumerate(manifest):
        try:
            length = sample_length(sample)
            frames = -(-length.frames // stride) if frames is None else frames
            if frames < 1 or length.frames < (frames - 1) * stride + 1:
                raise DataError(f"{sample.path}: {length.frames} frames, wanted {frames}, {stride} apart")
            clip = read_sample(sample, length.first + stride * np.arange(frames), reader)
            if out is None:
                out = torch.empty((len(manifest), *clip.shape), dtype=torch.uint8)
            if clip.shape != out.shape[1:]:
                got, wanted = "x".join(map(str, clip.shape)), "x".join(map(str, out.shape[1:]))
                raise DataError(f"{sample.path}: {got}, where the first sample is {wanted}")
            out[number] = torch.from_numpy(clip)
        except DataError as err:
            problems.append(str(err))
        if progress is not None:
            progress(number + 1, len(manifest))
    if problems or out is None:
        shown = "; ".join(problems[:5]) + (" ..." if len(problems) > 5 else "")
        raise DataError(f"{len(problems)} of {len(manifest)} samples cannot be loaded: {shown}")
    return out
