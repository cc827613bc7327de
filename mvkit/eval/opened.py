"""What a task is asked of: a run's method and spec, the clips it is asked about, and what is shown of them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mvkit import methods
from mvkit.data.dataset import ClipDataset
from mvkit.data.manifest import Manifest, read_manifest
from mvkit.data.sample import Sample
from mvkit.errors import DataError, OptionError
from mvkit.methods.umt_vl import UmtVl
from mvkit.train.loop import Run
from mvkit.train.precision import choose_device
from mvkit.train.source import open_manifest
from mvkit.train.spec import RunSpec

View = Callable[[Tensor], Tensor]


def still(clips: Tensor) -> Tensor:
    """The middle frame, standing still for as long as the clip: (B, 3, T, H, W) -> the same size."""
    middle = clips.shape[2] // 2
    return clips[:, :, middle : middle + 1].expand_as(clips)


VIEWS: dict[str, View] = {"clip": lambda clips: clips, "one frame": still, "no clip": torch.zeros_like}
"""What is shown: the whole clip; a control without motion; a control of the words alone (black frames)."""


@dataclass(frozen=True)
class Opened:
    """method: a copy, in eval mode on its device. spec: of the run. manifest: the clips it is asked about."""

    method: UmtVl
    spec: RunSpec
    manifest: Manifest


def open_run(run: Run | Path | str, manifest: Manifest | Path | str | None = None, *, device: str = "auto") -> Opened:
    """A run of stage 2, as it came out of `fit` or by its folder; manifest: another list than the one it trained on.

    Raises OptionError for a run of another method, CheckpointError for a folder that holds none.
    """
    if isinstance(run, Run):
        method, spec = deepcopy(run.method), run.spec
    else:
        method, spec = methods.load(run)[0], read_spec(run)
    if not isinstance(method, UmtVl):
        raise OptionError(f"words are asked of runs of umt_vl, got one of {spec.method}; train umt_vl from it first")
    return Opened(method.to(choose_device(device)).eval(), spec, opened_manifest(spec, manifest))


def read_spec(folder: Path | str) -> RunSpec:
    """The spec of a run by its folder, or of the run that a checkpoint's folder lies in. Raises OptionError."""
    folder = Path(folder)
    return RunSpec.read(
        next((at for at in (folder, *folder.parents[:2]) if (at / "spec.json").is_file()), folder) / "spec.json"
    )


def opened_manifest(spec: RunSpec, manifest: Manifest | Path | str | None) -> Manifest:
    """The manifest given, or read from a path, or the one of the run."""
    if isinstance(manifest, Manifest):
        return manifest
    return open_manifest(spec) if manifest is None else read_manifest(manifest)


@dataclass(frozen=True)
class Clips:
    """Clips in memory. pixels: (n, 3, T, H, W) uint8. samples: theirs, n. left_out: why -> what, named."""

    pixels: Tensor
    samples: tuple[Sample, ...]
    left_out: dict[str, list[str]] = field(default_factory=dict)


def read_clips(
    manifest: Manifest, *, frames: int, image: int, stride: int = 1, sampling: str = "interval_middles"
) -> Clips:
    """One clip of every sample that can be read, cropped in the middle; the others are named in `left_out`.

    12 frames of 224 pixels take 1.8 MB a clip. Raises DataError if none can be read.
    """
    pixels, samples, broken = [], [], []
    for place, sample in enumerate(manifest):
        one = ClipDataset(manifest[place : place + 1], frames, stride, image, "centre", sampling=sampling)
        try:
            pixels.append(one.batch([(0, 0)]).clips[0])
            samples.append(sample)
        except DataError:
            broken.append(f"{sample.path}: {one.broken.get(sample.path, 'cannot be read')}")
    if not pixels:
        raise DataError(f"none of the {len(manifest)} clips can be read; the first: {broken[0] if broken else 'none'}")
    return Clips(torch.stack(pixels), tuple(samples), {"clips that cannot be read": broken} if broken else {})


def settings(spec: RunSpec, **more: Any) -> dict[str, Any]:
    """What results.json says of the run and of how it was asked."""
    return {"method": spec.method, "run_seed": spec.seed, "steps": spec.steps, **more}
