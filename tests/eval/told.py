"""An untrained run of stage 2, and clips with captions, questions and choices, for the tests of this folder."""

from dataclasses import replace

import torch

from mvkit import methods
from mvkit.checkpoints.clip import ARCHITECTURE
from mvkit.data.manifest import Manifest
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid
from mvkit.train import RunSpec
from mvkit.train.journal import Journal
from mvkit.train.loop import Run


def vl_run(**options) -> Run:
    """Of clips of 4 frames of 32 x 32 pixels; tokens and words are 128 wide."""
    torch.manual_seed(0)
    teacher = VideoViT(TokenGrid(1, 4, 4), patch=8, width=24, depth=1, heads=2, out_width=20, **ARCHITECTURE)
    said = {"size": "tiny", "frames": 4, "image": 32, "patch": 8, "text_size": "tiny", "embed_width": 16, **options}
    method = methods.create("umt_vl", clip_teacher=Teacher(teacher), **said)
    return Run(RunSpec(method="umt_vl", frames=4, stride=3, image=32, steps=1), method.eval(), Journal(None), None)


def changed(manifest: Manifest, changes: dict[int, dict]) -> Manifest:
    """The same samples, with other fields at these places."""
    samples = tuple(replace(s, **changes.get(place, {})) for place, s in enumerate(manifest))
    return replace(manifest, samples=samples)
