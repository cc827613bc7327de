"""A small run of every method, on clips made in memory, for the tests of this folder."""

from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from mvkit import checkpoints, methods
from mvkit.train import RunSpec

OPTIONS = {"size": "tiny", "frames": 4, "image": 24, "patch": 8}
TEACHERS = {"image_teacher": "mae", "video_teacher": "videomae", "clip_teacher": "clip_frames"}
# Of different lengths, and one twice.
WORDS = ["a red square moves left", "a blue disk", "a red square moves left", "two green rings turn around"]
STEPS = 6


def source(first: int, rank: int = 0, world: int = 1):
    """Batches of four clips with captions; of several processes each is given its own rows."""
    step, rows = first, slice(rank, None, world)
    while True:
        clips = torch.randint(0, 255, (4, 3, 4, 24, 24), generator=torch.Generator().manual_seed(step)).to(torch.uint8)
        indices = torch.arange(4)[rows]
        yield SimpleNamespace(clips=clips[rows], indices=indices, replaced=[], captions=WORDS[rows])
        step += 1


def small_spec(name: str, folder: Path, **said: Any) -> RunSpec:
    """A run of a method; whatever teacher it asks for is an untrained run of this kit, in `folder`.

    said: fields that differ, and `options` besides its own.
    """

    def teacher(kind: str) -> str:
        if not (folder / kind).exists():
            torch.manual_seed(7)
            checkpoints.save(folder / kind, methods.create(kind, **OPTIONS), name=kind, options=OPTIONS)
        return f"run:{folder / kind}"

    asked = signature(methods.get(name).build).parameters
    options = {"size": "tiny", "patch": 8} | ({"text_size": "tiny"} if "text_size" in asked else {})
    options |= {role: teacher(kind) for role, kind in TEACHERS.items() if role in asked}
    options |= {key: value for key, value in said.pop("options", {}).items() if key in asked}
    fields: dict[str, Any] = {
        "frames": 4, "image": 24, "steps": STEPS, "batch": 4, "lr": 0.03, "log_every": 1, "checkpoint_every": 2,
        "device": "cpu", "precision": "fp32", "clip_grad": 1.0,
    }  # fmt: skip
    return RunSpec(method=name, options=options, **(fields | said))
