"""Teachers: frozen encoders, asked once a step, never trained and never saved into a student."""

from __future__ import annotations

from collections.abc import Collection

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from mvkit.errors import ShapeError
from mvkit.maskers.base import TokenMask
from mvkit.models.block import AttentionHeads
from mvkit.models.frames import Encoder, per_frame, sees_frames
from mvkit.models.vit import Encoded
from mvkit.tokens import TokenGrid


class Teacher(nn.Module):
    """A frozen encoder in eval mode, whatever the mode of what holds it; its answers carry no gradient.

    encoder: with a grid of one step it is an image encoder, and sees one frame of each step of the student: the first
    of each tubelet. source: where it came from, for messages and tables. Clips of another size than the encoder's are
    resized (bicubic, no antialiasing, as UMT does; arXiv:2303.16058).
    """

    def __init__(self, encoder: nn.Module, *, source: str = "") -> None:
        super().__init__()
        self.encoder: Encoder = encoder.requires_grad_(False).eval()  # type: ignore[assignment]
        self.source = source or type(encoder).__name__
        self.train(False)

    @property
    def per_frame(self) -> bool:
        """Is it an image encoder?"""
        return sees_frames(self.encoder)

    def train(self, mode: bool = True) -> Teacher:
        return super().train(False)

    def check(self, grid: TokenGrid) -> None:
        """Raises ShapeError unless this teacher's tokens fall on those of a student with this grid."""
        own = self.encoder.grid
        if (own.h, own.w) != (grid.h, grid.w) or (own.t != grid.t and not self.per_frame):
            raise ShapeError(
                f"teacher {self.source} has a {own}, the student a {grid}: their tokens must fall on the same places; "
                f"give the student image and patch for {own.h}x{own.w} places"
                + ("" if self.per_frame else f" and {own.t} steps")
            )

    def forward(
        self,
        clips: Tensor,
        mask: TokenMask | None = None,
        *,
        steps: int | None = None,
        layers: Collection[int] = (),
        heads: Collection[int] = (),
    ) -> Encoded:
        """clips: (B, 3, T, H, W) in [0, 1] -> Encoded over N = t*h*w tokens, or the V visible ones of a mask.

        steps: of the student's grid; an image teacher sees frames 0, T/steps, 2T/steps, ... A mask is for video
        teachers. Attention of an image teacher is per frame: (B*steps, heads, ...).
        """
        with torch.inference_mode():
            size = (self.encoder.grid.h * self.encoder.patch, self.encoder.grid.w * self.encoder.patch)
            if clips.shape[-2:] != size:
                clips = _resize(clips, size)
            if not self.per_frame or (mask is not None and clips.shape[2] == 1):
                out = self.encoder(clips, mask, layers=layers, heads=heads)
            elif mask is not None:
                raise ShapeError(f"image teacher {self.source} takes a mask with images only, not with clips of frames")
            else:
                out = per_frame(self.encoder, clips, steps=steps, layers=layers, heads=heads)
        # Clones made outside are ordinary tensors; a loss could not keep inference tensors for its backward pass.
        return Encoded(
            tokens=out.tokens.clone(),
            layers={number: layer.clone() for number, layer in out.layers.items()},
            class_token=None if out.class_token is None else out.class_token.clone(),
            heads={n: AttentionHeads(h.logits.clone(), h.values.clone()) for n, h in out.heads.items()},
        )

    def finish(self, layer: Tensor) -> Tensor:
        """layer: (..., D) residual stream -> (..., out_width): final norm and output map, if it has one."""
        with torch.no_grad():
            return self.encoder.finish(layer)

    def class_attention(self, encoded: Encoded, number: int) -> Tensor:
        """Attention of the class token of a block, mean over heads -> (B, t, h*w), not normalised again.

        encoded: of whole clips. Raises ShapeError for an encoder without a class token.
        """
        if encoded.class_token is None:
            raise ShapeError(f"teacher {self.source} has no class token, so there is no class attention to mask by")
        found = encoded.attention(number)[:, :, 0, 1:].mean(1)
        return found.reshape(-1, encoded.tokens.shape[1] // self.encoder.grid.places, self.encoder.grid.places)


def _resize(clips: Tensor, size: tuple[int, int]) -> Tensor:
    flat = rearrange(clips, "b c t h w -> b (c t) h w")
    flat = F.interpolate(flat, size=size, mode="bicubic", align_corners=False)
    return rearrange(flat, "b (c t) h w -> b c t h w", t=clips.shape[2])
