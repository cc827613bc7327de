"""What is measured: every pre-training method by name and size, with teachers of random weights, and its step.

A frozen teacher costs the same whatever it knows. Teachers are a size above the student's where the papers have it so;
UMT's teacher is CLIP's image encoder of the student's size.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from mvkit import methods
from mvkit.errors import OptionError, unknown
from mvkit.methods.base import Method
from mvkit.models.sizes import size as named_size
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid
from mvkit.train.allocator import keep_freed_memory
from mvkit.train.blocks import compile_blocks
from mvkit.train.optim import adamw, parameter_groups
from mvkit.train.precision import autocast

TEACHER_SIZE = {"tiny": "tiny", "small": "base", "base": "large", "large": "large", "huge": "huge"}
# Frames of a clip and of a step, as the papers have them; the rest are 16 frames in steps of 2.
_FRAMES = {"umt": (8, 1)}
# "compile" is RunSpec's compile=true; "graph" compiles the whole method and replays CUDA graphs.
VARIANTS = ("eager", "compile", "graph")
MEASURED = ("mae", "videomae", "mvd", "amd", "maskagain", "umt")


class Subject:
    """A method ready to be stepped: `loss()` is one forward pass, `step()` one training step as the loop makes it.

    name: of `MEASURED`. size: of `models.SIZES`. frames: None takes the paper's. variant: of `VARIANTS`.
    options: of the method's `build`. Raises OptionError.
    """

    def __init__(
        self,
        name: str,
        size: str = "small",
        *,
        batch: int = 2,
        frames: int | None = None,
        image: int = 224,
        precision: str = "fp32",
        variant: str = "eager",
        device: str = "cpu",
        **options: Any,
    ) -> None:
        if name not in MEASURED:
            raise OptionError(unknown("measured method", name, MEASURED))
        if variant not in VARIANTS:
            raise OptionError(unknown("variant", variant, VARIANTS))
        torch.manual_seed(0)
        if device == "cpu":
            keep_freed_memory()
        said, tubelet = _FRAMES.get(name, (16, 2))
        self.name, self.size, self.precision, self.device = name, size, precision, torch.device(device)
        self.frames, self.image = frames or said, image
        shape = {"frames": self.frames, "image": image}
        wanted = inspect.signature(methods.get(name).build).parameters
        teachers = {role: _teacher(role, name, size, shape, tubelet) for role in wanted if role in _ROLES}
        self.method: Method = methods.create(name, size=size, **shape, **teachers, **options).to(device).train()
        self.forward: Callable = self.method
        if variant == "compile":
            compile_blocks(self.method, self.device)
        elif variant == "graph":
            self.forward = torch.compile(self.method, mode="reduce-overhead")
        self.clips = torch.randint(0, 256, (batch, 3, self.frames, image, image), dtype=torch.uint8)
        self.optimiser = adamw(parameter_groups(self.method, 0.05))

    def loss(self) -> Tensor:
        clips = self.clips.to(self.device, non_blocking=True).float() / 255
        with autocast(self.precision, self.device):
            return self.forward(clips, generator=torch.Generator(self.device).manual_seed(0)).loss

    def step(self) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        self.loss().backward()
        torch.nn.utils.get_total_norm([p.grad for p in self.method.parameters() if p.grad is not None])
        self.optimiser.step()


_ROLES = ("image_teacher", "video_teacher", "clip_teacher")


def _teacher(role: str, name: str, size: str, shape: Mapping[str, int], tubelet: int) -> Teacher:
    kind, image = named_size(size if role == "clip_teacher" else TEACHER_SIZE[size]), shape["image"]
    grid = TokenGrid.of_clip(shape["frames"], image, image, tubelet=tubelet)
    sizes: dict[str, Any] = {"width": kind.width, "depth": kind.depth, "heads": kind.heads}
    if role == "video_teacher":
        encoder = VideoViT(grid, tubelet=tubelet, **sizes)
    elif role == "image_teacher":
        encoder = VideoViT(TokenGrid(1, grid.h, grid.w), tubelet=1, class_token=True, **sizes)
    else:
        encoder = VideoViT(
            TokenGrid(1, grid.h, grid.w), tubelet=1, class_token=True, pre_norm=True, patch_bias=False, key_bias=True,
            position="learned", activation="quick_gelu", out_width=2 * kind.width // 3, **sizes,
        )  # fmt: skip
    return Teacher(encoder, source=f"an untrained {role.replace('_', ' ')}")
