"""The one encoder: a video ViT that embeds only the tokens it may see.

Clips come in as [0, 1] pixels and are normalised inside, after the visible patches have been picked, so that hidden
pixels cost nothing and cannot leak: they never enter a sum. Layers and attention maps are handed back on request,
which is what distillation and the explorers need; nothing is hooked.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from mvkit.errors import OptionError, ShapeError
from mvkit.maskers.base import TokenMask
from mvkit.models.block import NORM_EPS, Block, init_linear
from mvkit.models.positions import table
from mvkit.tokens import TokenGrid, patchify

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass
class Encoded:
    """tokens: (B, V, D) after the final norm. layers: block number (1 = first) -> (B, V, D), the residual stream after
    it. attention: block number -> (B, heads, V, V) float32, rows sum to 1."""

    tokens: Tensor
    layers: dict[int, Tensor] = field(default_factory=dict)
    attention: dict[int, Tensor] = field(default_factory=dict)


class PatchEmbed(nn.Module):
    """Pixels of a token to its width: a strided convolution, computed only for the tokens asked for."""

    def __init__(self, width: int, *, tubelet: int, patch: int, channels: int = 3) -> None:
        super().__init__()
        kernel = (tubelet, patch, patch)
        self.proj = nn.Conv3d(channels, width, kernel_size=kernel, stride=kernel)

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels: (B, V, P), channel fastest -> (B, V, D)."""
        weight = rearrange(self.proj.weight, "d c u y x -> d (u y x c)")
        return F.linear(pixels, weight, self.proj.bias)


class VideoViT(nn.Module):
    """Video transformer encoder of the VideoMAE family.

    clips: (B, 3, T, H, W) float in [0, 1], mask: TokenMask or None for all tokens -> Encoded.
    position: a table of `models.positions`, or "learned". final_norm: False leaves the residual stream as it is
    (fine-tuning with mean pooling drops the pre-trained final norm). drop_path: rate of the last block; the rate
    grows linearly from 0 at the first. Raises ShapeError for clips that do not fit the grid.
    Paper: VideoMAE, arXiv:2203.12602.
    """

    mean: Tensor
    std: Tensor
    pos_embed: Tensor

    def __init__(
        self,
        grid: TokenGrid,
        *,
        tubelet: int = 2,
        patch: int = 16,
        width: int = 384,
        depth: int = 12,
        heads: int = 6,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        position: str = "sincos_1d",
        drop_path: float = 0.0,
        layer_scale: float = 0.0,
        final_norm: bool = True,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.grid, self.tubelet, self.patch = grid, tubelet, patch
        self.width, self.depth, self.heads = width, depth, heads
        self.patch_embed = PatchEmbed(width, tubelet=tubelet, patch=patch, channels=len(mean))
        rates = [drop_path * i / max(depth - 1, 1) for i in range(depth)]
        self.blocks = nn.ModuleList(
            Block(width, heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, drop_path=rate, layer_scale=layer_scale)
            for rate in rates
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS) if final_norm else nn.Identity()
        if position == "learned":
            self.pos_embed = nn.Parameter(nn.init.trunc_normal_(torch.empty(grid.tokens, width), std=0.02))
            self.pos_embed.no_decay = True  # type: ignore[attr-defined]  # read by train.optim
        else:
            self.register_buffer("pos_embed", table(position, grid, width), persistent=False)
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)
        init_linear(self)

    def embed(self, clips: Tensor, mask: TokenMask | None = None) -> Tensor:
        """clips: (B, 3, T, H, W) in [0, 1] -> tokens with positions (B, V, D); V = N without a mask."""
        grid = TokenGrid.of_clip(*clips.shape[-3:], tubelet=self.tubelet, patch=self.patch)
        if grid != self.grid:
            raise ShapeError(f"clips {tuple(clips.shape)} make a {grid}, the encoder was built for a {self.grid}")
        pixels = patchify(clips, tubelet=self.tubelet, patch=self.patch)
        positions = self.pos_embed.expand(len(clips), -1, -1)
        if mask is not None:
            pixels, positions = mask.visible(pixels), mask.visible(positions)
        repeats = pixels.shape[-1] // len(self.mean)
        pixels = (pixels - self.mean.repeat(repeats)) / self.std.repeat(repeats)
        return self.patch_embed(pixels) + positions

    def forward(
        self,
        clips: Tensor,
        mask: TokenMask | None = None,
        *,
        layers: Collection[int] = (),
        attention: Collection[int] = (),
    ) -> Encoded:
        """clips: (B, 3, T, H, W) in [0, 1] -> Encoded, with layers and maps of the blocks named, counted from 1."""
        for number in (*layers, *attention):
            if not 1 <= number <= self.depth:
                raise OptionError(f"block {number} does not exist: this encoder has blocks 1 to {self.depth}")
        x = self.embed(clips, mask)
        out = Encoded(tokens=x)
        for number, block in enumerate(self.blocks, start=1):
            x, weights = block(x, want_map=number in attention)
            if weights is not None:
                out.attention[number] = weights
            if number in layers:
                out.layers[number] = x
        out.tokens = self.norm(x)
        return out
