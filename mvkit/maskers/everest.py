"""Redundancy-aware masking: only tokens that change are encoded or rebuilt; the rest of the clip is ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.errors import MaskError
from mvkit.maskers._select import pick, refuse_unless, uniform, untied
from mvkit.maskers.base import MaskContext, Masker, MaskSet, TokenMask, option
from mvkit.maskers.motion import motion_map
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class EverestMasker(Masker):
    """Ranks all tokens by change, shuffles the top `informative` share, and splits it into encoder and target.

    encoder.visible: `visible` of all tokens; target.visible: the other informative tokens, which carry the loss. The
    rest is in neither. At 8x14x14: 156 and 314 of 1568. Change: context.video, mean absolute frame difference.
    Paper: EVEREST, arXiv:2211.10636. Differs: it ranks by distance of patch embeddings from the step before.
    """

    title: ClassVar[str] = "EVEREST"
    paper: ClassVar[str] = "EVEREST, arXiv:2211.10636"
    needs: ClassVar[frozenset[str]] = frozenset({"video"})

    visible: float = option(0.1, "share of all tokens encoded", low=0, high=1)
    informative: float = option(0.3, "share of all tokens encoded or rebuilt", low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.visible > self.informative:
            raise MaskError(f"EverestMasker: visible {self.visible} must not exceed informative {self.informative}")

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        encoder, both = (int(grid.tokens * share + 1e-6) for share in (self.visible, self.informative))
        return {"encoder": encoder, "target": both - encoder}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> MaskSet:
        assert context.video is not None
        refuse_unless(context.video.shape[2] > 1, "motion needs at least 2 frames, context.video has 1")
        counts = self.counts(grid)
        motion = motion_map(context.video.to(generator.device).float(), grid)
        informative = pick(untied(motion.flatten(1), generator), sum(counts.values()))
        order = uniform(*informative.shape, generator=generator).argsort(1)
        ids = informative.gather(1, order)
        encoder, target = ids.split([counts["encoder"], counts["target"]], dim=1)
        aux = {"motion": motion}
        return MaskSet(
            {
                "encoder": TokenMask.from_visible(encoder, grid, aux=aux),
                "target": TokenMask.from_visible(target, grid, aux=aux),
            }
        )
