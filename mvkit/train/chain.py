"""The embedded chain: the teachers a method asks for and the stage before it, trained when they are not there yet.

Nothing is downloaded: `mae` on frames is the image teacher, `videomae` the video teacher, `clip_frames` the CLIP-like
one, all on moving_shapes; `umt_vl` goes on from `umt`. Each is a run of this kit in a folder named after its settings,
so a second student finds it finished, an interrupted one goes on, and other settings never share a folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from inspect import signature
from pathlib import Path
from typing import Any

from filelock import FileLock

from mvkit import methods
from mvkit.train import presets, state
from mvkit.train.loop import fit
from mvkit.train.source import open_manifest, open_source, train_split
from mvkit.train.spec import RunSpec

TEACHERS = Path("reports/teachers")
# Option of a method -> the method whose run is such a teacher.
ROLES = {"image_teacher": "mae", "video_teacher": "videomae", "clip_teacher": "clip_frames"}
# Method -> the method whose run it starts from. For umt_vl the paper's is umt. But on moving_shapes a student of stage
# 1 has forgotten how things move, and 3,000 steps of stage 2 do not teach it that again, where MaskAgain's student
# tells clips of one scene apart after 1,500 (reports/LOG.md).
STARTS = {"umt_vl": "maskagain"}

Tell = Callable[[str, dict[str, Any]], None]


def roles(method: str) -> dict[str, str]:
    """The teachers a method asks for: option -> the method that makes it."""
    asked = signature(methods.get(method).build).parameters
    return {role: kind for role, kind in ROLES.items() if role in asked}


def teachers(method: str, preset: str = "quick", *, root: Path = TEACHERS, tell: Tell | None = None) -> dict[str, str]:
    """Options that give a method its embedded teachers: role -> "run:<folder>". Those that are missing are trained.

    preset: budget of the teachers, of `presets.embedded`. tell: called with (teacher's name, journal line) while one is
    trained, and once with {"found": folder} for one that is there.
    """
    return {role: f"run:{teacher(kind, preset, root=root, tell=tell)}" for role, kind in roles(method).items()}


def student(
    method: str,
    preset: str = "quick",
    *,
    root: Path = TEACHERS,
    steps: int = 0,
    seed: int = 0,
    tell: Tell | None = None,
) -> RunSpec:
    """The spec of `presets.embedded` with its teachers and the stage before it, which are trained if they are missing.

    steps, seed: of the student alone. tell: as in `teachers`.
    """
    options = teachers(method, preset, root=root, tell=tell)
    spec = presets.embedded(method, preset, teachers=options, steps=steps, seed=seed)
    if method not in STARTS:
        return spec
    before = teacher(STARTS[method], preset, root=root, tell=tell)
    return spec.model_copy(update={"start": [f"run:{before}"]})


def teacher(kind: str, preset: str = "quick", *, root: Path = TEACHERS, tell: Tell | None = None) -> Path:
    """The folder of a finished run of `student(kind, preset)`; trained if it is not there, after what it needs."""
    spec = student(kind, preset, root=root, tell=tell)
    folder = teacher_folder(spec, root)
    root.mkdir(parents=True, exist_ok=True)
    # Two students that start at once want the same teacher: one trains it, the other waits.
    with FileLock(root / f"{folder.name}.lock"):
        if finished(folder, spec):
            if tell:
                tell(kind, {"found": str(folder)})
        else:
            source = open_source(spec, train_split(open_manifest(spec)))
            fit(spec, source, out=folder, progress=(lambda line: tell(kind, line)) if tell else None)
    return folder


def teacher_folder(spec: RunSpec, root: Path = TEACHERS) -> Path:
    """Where the run of a spec lies: its method's name and a hash of every setting that is not the default."""
    # Defaults are left out, so that a new field does not make every teacher another one.
    text = json.dumps(spec.model_dump(exclude_defaults=True), sort_keys=True)
    return root / f"{spec.method}_{sha256(text.encode()).hexdigest()[:8]}"


def finished(folder: Path, spec: RunSpec) -> bool:
    """Is the last step's checkpoint there?"""
    saved = state.found(folder / "checkpoint")
    return bool(saved) and saved[-1].name == f"step_{spec.steps:06d}"
