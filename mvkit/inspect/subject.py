"""Who is evaluated: a run of this kit, an official file, a model of timm, or the embedded run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import nn

from mvkit import checkpoints
from mvkit.eval.opened import read_spec
from mvkit.models.timm_encoder import TimmEncoder
from mvkit.train import presets
from mvkit.train.journal import Journal
from mvkit.train.loop import Run
from mvkit.train.spec import RunSpec

WORDS = ("retrieval", "choice", "qa")
"""Tasks that a run of umt_vl alone can be asked."""
Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Subject:
    """Who is asked. spec: its clips. folder: of a run, or else encoder: of a file or of timm."""

    said: str
    spec: RunSpec
    folder: Path | None = None
    encoder: nn.Module | None = None

    @property
    def run(self) -> Run | Path:
        """As the tasks of `mvkit.eval` take it."""
        holder = nn.Module()
        holder.encoder = cast(nn.Module, self.encoder)
        return self.folder or Run(self.spec, cast(Any, holder), Journal(None), None)


class _FrameViT(TimmEncoder):
    """With what the untrained control is made of: a network of the same sizes."""

    @property
    def patch_embed(self) -> nn.Module:
        return self.network.patch_embed

    @property
    def config(self) -> dict[str, Any]:
        network: Any = self.network
        heads = network.blocks[0].attn.num_heads
        sizes = {"width": self.width, "depth": self.depth, "heads": heads, "mean": self.mean.tolist()}
        return {"grid": self.grid, "tubelet": 1, "patch": self.patch, **sizes, "std": self.std.tolist()}


def open_subject(said: str) -> Subject:
    """said: a folder of a run, alone or after "run:", or "file:<path>" or "timm:<name>" as `checkpoints.open_teacher`
    takes them. An encoder without a spec sees the clips of the embedded set at its own size, an image encoder 8 frames.

    Raises OptionError, CheckpointError.
    """
    if said.startswith("run:") or ":" not in said:
        folder = Path(said.removeprefix("run:"))
        return Subject(said, read_spec(folder), folder)
    encoder: Any = checkpoints.open_teacher(said).encoder
    if isinstance(encoder, TimmEncoder):
        encoder = _FrameViT(encoder.network).eval()
    steps, side = encoder.grid.t, encoder.grid.h * encoder.patch
    frames = steps * encoder.tubelet if steps > 1 else 8
    spec = presets.embedded("videomae").model_copy(update={"frames": frames, "stride": max(1, 16 // frames)})
    return Subject(said, spec.model_copy(update={"image": side}), encoder=encoder)


def embedded(task: str, taught: Callable[[str], str]) -> str:
    """ "run:<folder>" of the embedded chain that a task can be asked of, trained if it is not there: VideoMAE, or for
    tasks with words the second stage of UMT. taught: method -> such a string, as `viz.teaching.Teaching`."""
    return taught("umt_vl" if task in WORDS else "videomae")
