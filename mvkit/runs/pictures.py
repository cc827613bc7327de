"""Pictures of a training as it goes: what the model makes of a clip, kept at every step that is monitored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mvkit.errors import ShapeError
from mvkit.runs.files import write_bytes_atomic
from mvkit.widgets.canvas import encode


class Pictures:
    """The pictures of one run, `folder`/step_000800.webp; with `draw`, what `fit` calls to make them.

        look = Pictures(run.folder / "pictures", draw=lambda method: reconstruction_of(method, clip))
        mvkit.fit(spec, source, out=run.folder, monitor=watch, look=look)

    draw: the method, in eval mode -> (H, W, 3) uint8; a few hundred pixels wide, as `widgets.canvas.Canvas` lays out.
    """

    def __init__(self, folder: str | Path, draw: Callable[[Any], np.ndarray] | None = None) -> None:
        self.folder, self.draw = Path(folder), draw

    def __call__(self, step: int, method: Any) -> Path | None:
        """Draw and keep the picture of this step; a run that goes on from a checkpoint replaces those it makes again.

        Raises ShapeError for something that is no picture, RunError where it cannot be written.
        """
        if self.draw is None:
            return None
        picture = self.draw(method)
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
            got = f"{picture.dtype} {picture.shape}" if hasattr(picture, "shape") else type(picture).__name__
            raise ShapeError(f"the picture of step {step} must be uint8 (H, W, 3), got {got}")
        path = self.folder / f"step_{step:06d}.webp"
        write_bytes_atomic(path, encode(picture, kind="webp", quality=90))
        return path

    def steps(self) -> dict[int, Path]:
        """What is kept, in order of steps."""
        found = {path.stem.removeprefix("step_"): path for path in self.folder.glob("step_*.webp")}
        return dict(sorted((int(step), path) for step, path in found.items() if step.isdigit()))
