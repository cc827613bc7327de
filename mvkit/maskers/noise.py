"""Coloured-noise masking: filtered noise decides, so that visible tokens cluster or spread as its colour says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mvkit.maskers._ratio import RatioMasker
from mvkit.maskers._select import by_sample, by_step
from mvkit.maskers.base import MaskContext, TokenMask, option
from mvkit.tokens import TokenGrid


def gain(frequency: Tensor, colour: str) -> Tensor:
    """Amplitude of a colour at a radial frequency in cycles per token.

    red: a Gaussian low-pass of s.d. 0.063; green: a Gaussian band of s.d. 0.08 about 0.23; blue: the square of the
    frequency. Ours; they reproduce the autocorrelations measured for these colours (red 0.69, green 0.33, blue -0.09).
    """
    if colour == "blue":
        return frequency**2
    centre, width = {"red": (0.0, 0.063), "green": (0.23, 0.08)}[colour]
    return torch.exp(-(((frequency - centre) / width) ** 2) / 2)


@dataclass(frozen=True)
class NoiseMasker(RatioMasker):
    """Keeps the strongest tokens of noise filtered over time and the plane (all three wrap around the edges).

    red: large blobs that last; green: middle-sized patches; blue: evenly dispersed tokens.
    group: `sample` counts per clip, `step` holds the count in every step.
    Paper: ColorMAE, arXiv:2407.13036 (images); structured-noise masking, arXiv:2503.16311 (video).
    Differs: every clip has its own noise, made by a Fourier filter; ColorMAE crops a bank of patterns.
    """

    title: ClassVar[str] = "Coloured noise"
    paper: ClassVar[str] = "ColorMAE, arXiv:2407.13036"
    aliases: ClassVar[tuple[str, ...]] = ("color", "colour")

    ratio: float = option(0.9, "share of tokens hidden", low=0, high=1)
    colour: str = option("green", "low, middle or high frequencies", choices=("green", "red", "blue"))
    group: str = option("sample", "count exactly per clip or per step", choices=("sample", "step"))

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        if self.group == "sample":
            return {"encoder": self.visible_of(grid.tokens)}
        return {"encoder": grid.t * self.visible_of(grid.places)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> TokenMask:
        device, keep = generator.device, self.counts(grid)["encoder"]
        white = torch.randn(batch, *grid.shape, generator=generator, device=device)
        axes = torch.meshgrid(*(torch.fft.fftfreq(n, device=device) for n in grid.shape), indexing="ij")
        frequency = torch.stack(axes).norm(dim=0)
        spectrum = torch.fft.fftn(white, dim=(1, 2, 3)) * gain(frequency, self.colour)
        field = torch.fft.ifftn(spectrum, dim=(1, 2, 3)).real
        if self.group == "sample":
            return by_sample(field.flatten(1), keep, grid)
        return by_step(field.flatten(2), keep // grid.t, grid)
