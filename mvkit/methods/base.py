"""What every method is to the loop: clips and a generator in, a loss out.

The loop knows nothing of masks, teachers or decoders. A method owns them, and hands back what happened inside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mvkit.errors import ShapeError
from mvkit.maskers.base import TokenMask
from mvkit.methods._share import Share
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT

Targets = Mapping[str, Tensor]


@dataclass
class StepOutput:
    """loss: () to minimise. parts: its named terms, (), before their weights. masks: role -> TokenMask. artifacts: on
    request, what was predicted and what was wanted, for pictures and tests."""

    loss: Tensor
    parts: Mapping[str, Tensor]
    masks: Mapping[str, TokenMask]
    artifacts: Mapping[str, Tensor] = field(default_factory=dict)


def check_captions(clips: Tensor, captions: Sequence[str]) -> None:
    """Raises ShapeError unless there is one caption a clip."""
    if len(captions) != len(clips):
        raise ShapeError(f"{len(clips)} clips came with {len(captions)} captions; one each is wanted")


class Method(nn.Module, ABC):
    """A pre-training method. `encoder` is what is kept of it afterwards.

    title, paper: for tables and captions; taught_by, hides, loss: cells of the method table, in a few words each.
    couples_clips: does a clip's loss depend on the others of its batch? Then splitting a batch changes the loss.
    one_step: does it work on single images, T = tubelet? needs: what of a batch it reads besides clips: "captions".
    teachers: role -> frozen network. They follow the method to its device, and are in no state dict or optimiser.
    share: of the batch, where several processes train; what a method draws itself it draws for the whole batch.
    """

    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    taught_by: ClassVar[str] = "none"
    hides: ClassVar[str] = ""
    loss: ClassVar[str] = ""
    couples_clips: ClassVar[bool] = False
    one_step: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset()

    encoder: VideoViT

    def __init__(self) -> None:
        super().__init__()
        # A plain dict on purpose: nn.Module registers none of it, so students never save or train their teachers.
        self.teachers: dict[str, Teacher] = {}
        self.share = Share()

    def _apply(self, fn: Callable, recurse: bool = True) -> Method:
        for teacher in self.teachers.values():
            teacher._apply(fn)
        return super()._apply(fn, recurse)

    @classmethod
    @abstractmethod
    def build(cls, *args: Any, **options: Any) -> Method:
        """The method from plain options: size, frames, image, patch and what else it takes."""

    @abstractmethod
    def forward(
        self, clips: Tensor, *, generator: torch.Generator, targets: Targets | None = None, artifacts: bool = False
    ) -> StepOutput:
        """clips: (B, 3, T, H, W) float in [0, 1]; masks are drawn from `generator`.

        A method that needs captions takes `captions`, one string a clip, as well.
        targets: what `targets(clips)` gave for these clips, at this step or an earlier one; None asks the teachers.
        """

    def targets(self, clips: Tensor) -> Targets:
        """What the teachers say of whole clips, (B, ...) each, whatever will be hidden: it can be kept for a fixed set.

        Empty where a method has no teacher, or one that sees only part of a clip.
        """
        return {}
