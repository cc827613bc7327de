"""What a model makes of one clip, as a small picture: its features as colours, and the hidden pixels it predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mvkit.errors import ShapeError
from mvkit.inspect.colours import colour_maps
from mvkit.inspect.reconstruction import reconstruct
from mvkit.tokens import patchify
from mvkit.widgets.canvas import Canvas

CELL, PIXELS = (
    96,
    ("predictions", "pixel_predictions"),
)  # pixels of a cell; names under which methods keep predicted pixels


class Glimpse:
    """clip: (3, T, H, W) in [0, 1]; called with a method it gives (H', W', 3) uint8, as `Pictures` asks of `draw`.

    Rows: frames; for methods that predict pixels the clip as they rebuild it, with the mask of `seed`; the encoder's
    features of the whole clip as colours, on axes matched to those of the clip's pixels, so that colours can be
    followed from step to step. Raises ShapeError for anything but one clip.
    """

    def __init__(self, clip: Tensor, *, seed: int = 0) -> None:
        if clip.ndim != 4 or len(clip) != 3:
            raise ShapeError(f"one clip (3, T, H, W) is asked, got {tuple(clip.shape)}")
        self.clip, self.seed = clip[None], seed

    @torch.no_grad()
    def __call__(self, method: Any) -> np.ndarray:
        encoder = method.encoder
        one_go = self.clip[:, :, : encoder.grid.t * encoder.tubelet]  # an encoder of single frames sees the first
        clip, size = one_go.to(encoder.mean.device), {"tubelet": encoder.tubelet, "patch": encoder.patch}
        maps = colour_maps({"clip": patchify(clip, **size), "features": encoder(clip).tokens.float()}, encoder.grid)
        features = maps["features"][0].movedim(-1, 1).repeat_interleave(encoder.tubelet, 0)  # (T, 3, h, w)
        rows = {"clip": clip[0].movedim(1, 0), **self._rebuilt(method, clip, size), "features": features}
        shown = range(0, clip.shape[2], encoder.tubelet)
        high, wide = (CELL * side // max(clip.shape[-2:]) for side in clip.shape[-2:])
        canvas = Canvas(len(rows), len(shown), (high, wide), labels=list(rows))
        for row, frames in enumerate(rows.values()):
            pictures = (frames.clamp(0, 1) * 255).round().byte().movedim(1, -1).cpu().numpy()
            for column, step in enumerate(shown):
                across = [-(-side // cells) for side, cells in zip((high, wide), pictures.shape[1:3], strict=True)]
                canvas.put(row, column, np.kron(pictures[step], np.ones((*across, 1), np.uint8)))  # blocks stay blocks
        return canvas.array()

    def _rebuilt(self, method: Any, clip: Tensor, size: dict[str, int]) -> dict[str, Tensor]:
        """The row of a method that predicts pixels: visible ones, and its answers for the others; (T, 3, H, W)."""
        if not hasattr(method, "normalise_targets"):
            return {}
        out = method(clip, generator=torch.Generator().manual_seed(self.seed), artifacts=True)
        predictions = next(out.artifacts[name] for name in PIXELS if name in out.artifacts)
        mask, normalised = next(iter(out.masks.values())), method.normalise_targets
        whole = reconstruct(predictions, mask, clip, **size, normalised=normalised, statistics="visible")
        return {"rebuilt": whole[0].movedim(1, 0)}
