"""Dual masking: a tube for the encoder, a running cell for the decoder, so the decoder is short too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_column, by_sample, by_step, uniform
from mvkit.maskers.base import MaskContext, MaskSet, option
from mvkit.maskers.cell import CellMasker
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class DualMasker(RatioMasker):
    """encoder.visible are the tokens encoded; decoder.visible the tokens decoded, which carry the loss.

    The decoder gets the encoder-hidden tokens that the cell keeps: 704 at 8x14x14. Where t is not a multiple of
    side^2 their number would depend on the draw; it is then cut or filled at random, within the hidden tokens, to the
    floor of the expected number. faithful: decoder.visible is all the cell keeps, as published: 784 at 8x14x14, of
    which 80 are visible to the encoder and carry no loss; take the loss at `decoder` tokens that `encoder` hides.
    Raises MaskError on a grid that is not whole cells. Paper: VideoMAE V2, arXiv:2303.16727.
    """

    title: ClassVar[str] = "Dual"
    paper: ClassVar[str] = "VideoMAE V2, arXiv:2303.16727"

    ratio: float = option(0.9, "share of the places hidden from the encoder in every step", low=0, high=1)
    decoder_ratio: float = option(0.5, "share of a cell's positions not decoded", low=0, high=1)
    side: int = option(2, "tokens along a side of the cell", low=1)
    faithful: bool = option(False, "also decode tokens the encoder sees, without loss, as published")

    def _cell(self) -> CellMasker:
        return CellMasker(ratio=self.decoder_ratio, side=self.side)

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        encoder = grid.t * self.visible_of(grid.places)
        decoder = self._cell().counts(grid)["encoder"]
        if not self.faithful:
            kept = self.side**2 - self._cell().dropped()
            decoder = (grid.tokens - encoder) * kept // self.side**2
        return {"encoder": encoder, "decoder": decoder}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> MaskSet:
        counts = self.counts(grid)
        encoder = by_column(uniform(batch, grid.places, generator=generator), counts["encoder"] // grid.t, grid)
        kept = ~self._cell().hidden(grid, batch, generator)  # (B, t, h*w)
        if self.faithful:
            return MaskSet({"encoder": encoder, "decoder": by_step(kept.float(), counts["decoder"] // grid.t, grid)})
        order = 2.0 * encoder.hidden + kept.flatten(1) + uniform(batch, grid.tokens, generator=generator)
        return MaskSet({"encoder": encoder, "decoder": by_sample(order, counts["decoder"], grid)})
