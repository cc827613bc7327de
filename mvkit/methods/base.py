"""What every method is to the loop: clips and a generator in, a loss out.

The loop knows nothing of masks, teachers or decoders. A method owns them, and hands back what happened inside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mvkit.maskers.base import TokenMask
from mvkit.models.vit import VideoViT


@dataclass
class StepOutput:
    """loss: () to minimise. parts: its named terms, (). masks: role -> TokenMask. artifacts: on request, what was
    predicted and what was wanted, for pictures and tests."""

    loss: Tensor
    parts: Mapping[str, Tensor]
    masks: Mapping[str, TokenMask]
    artifacts: Mapping[str, Tensor] = field(default_factory=dict)


class Method(nn.Module, ABC):
    """A pre-training method. `encoder` is what is kept of it afterwards.

    title, paper: for tables and captions. teachers: frozen networks, in eval mode whatever the method's mode is.
    """

    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""

    encoder: VideoViT

    @classmethod
    @abstractmethod
    def build(cls, *args: Any, **options: Any) -> Method:
        """The method from plain options: size, frames, image, patch and what else it takes."""

    @abstractmethod
    def forward(self, clips: Tensor, *, generator: torch.Generator, artifacts: bool = False) -> StepOutput:
        """clips: (B, 3, T, H, W) float in [0, 1]; masks are drawn from `generator`."""
