"""The one encoder: a video ViT that embeds only the tokens it may see.

Clips come in as [0, 1] pixels and are normalised inside, after the visible patches have been picked, so that hidden
pixels cost nothing and cannot leak: they never enter a sum. Layers and attention maps are handed back on request,
which is what distillation and the explorers need; nothing is hooked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from mvkit.errors import OptionError, ShapeError
from mvkit.maskers.base import TokenMask
from mvkit.models.block import NORM_EPS, AttentionHeads, blocks, init_linear
from mvkit.models.linear import Linear, linear
from mvkit.models.patches import patches_at
from mvkit.models.positions import table
from mvkit.tokens import TokenGrid, patchify

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass
class Encoded:
    """tokens: (B, V, D) after the final norm. layers: block number (1 = first) -> (B, V, D), the residual stream after
    it. class_token: (B, D) after the final norm, None in an encoder without one; it is in none of the above.
    heads: block number -> logits and values of its attention, over V tokens, or 1 + V with the class token first.
    """

    tokens: Tensor
    layers: dict[int, Tensor] = field(default_factory=dict)
    class_token: Tensor | None = None
    heads: dict[int, AttentionHeads] = field(default_factory=dict)

    def attention(self, number: int) -> Tensor:
        """Attention of a block: (B, heads, V, V) float32, rows sum to 1; with a class token 1 + V, that one first."""
        return self.heads[number].weights


class PatchEmbed(nn.Module):
    """Pixels of a token to its width: a strided convolution, computed only for the tokens asked for."""

    def __init__(self, width: int, *, tubelet: int, patch: int, channels: int = 3, bias: bool = True) -> None:
        super().__init__()
        kernel = (tubelet, patch, patch)
        self.proj = nn.Conv3d(channels, width, kernel_size=kernel, stride=kernel, bias=bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels: (B, V, P), channel fastest -> (B, V, D)."""
        weight = rearrange(self.proj.weight, "d c u y x -> d (u y x c)")
        return linear(pixels, weight, self.proj.bias)


class VideoViT(nn.Module):
    """Video transformer encoder of the VideoMAE family; with one step and a tubelet of 1, an image ViT.

    clips: (B, 3, T, H, W) float in [0, 1], mask: TokenMask or None for all tokens -> Encoded.
    position: a table of `models.positions`, or "learned". final_norm: False leaves the residual stream as it is
    (fine-tuning with mean pooling drops the pre-trained final norm). drop_path: rate of the last block; the rate
    grows linearly from 0 at the first. class_token: a learned token in front, never hidden, without a position unless
    positions are learned. pre_norm, patch_bias, activation, norm_eps, out_width: what CLIP's visual transformer
    has besides: a norm before the first block, a patch embedding without bias, its GELU, its epsilon, and a bias-free
    map from the final norm to the width it shares with text. any_steps: clips of other lengths are taken too, images
    among them, each with the table made for its own number of steps, as in UMT's second stage (arXiv:2303.16058).
    `config` builds the encoder again.
    Raises ShapeError for clips that do not fit the grid.
    Papers: VideoMAE, arXiv:2203.12602; MAE, arXiv:2111.06377; CLIP, arXiv:2103.00020.
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
        key_bias: bool = False,
        position: str = "sincos_1d",
        drop_path: float = 0.0,
        layer_scale: float = 0.0,
        final_norm: bool = True,
        class_token: bool = False,
        pre_norm: bool = False,
        patch_bias: bool = True,
        activation: str = "gelu",
        norm_eps: float = NORM_EPS,
        out_width: int | None = None,
        any_steps: bool = False,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "grid", "__class__")}
        super().__init__()
        self.config = {"grid": list(grid.shape), **given, "mean": list(mean), "std": list(std)}
        self.grid, self.tubelet, self.patch = grid, tubelet, patch
        self.width, self.depth, self.heads = width, depth, heads
        self.patch_embed = PatchEmbed(width, tubelet=tubelet, patch=patch, channels=len(mean), bias=patch_bias)
        self.pre_norm = nn.LayerNorm(width, eps=norm_eps) if pre_norm else nn.Identity()
        self.blocks = blocks(
            depth,
            width,
            heads,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            key_bias=key_bias,
            drop_path=drop_path,
            layer_scale=layer_scale,
            activation=activation,
            norm_eps=norm_eps,
        )
        self.norm = nn.LayerNorm(width, eps=norm_eps) if final_norm else nn.Identity()
        self.head = Linear(width, out_width, bias=False) if out_width else nn.Identity()
        self.class_token = nn.Parameter(_token(width)) if class_token else None
        self.class_position = nn.Parameter(_token(width)) if class_token and position == "learned" else None
        if position == "learned" and any_steps:
            raise OptionError("learned positions exist for the clips they were learned on only: any_steps=False")
        if position == "learned":
            self.pos_embed = nn.Parameter(nn.init.trunc_normal_(torch.empty(grid.tokens, width), std=0.02))
            self.pos_embed.no_decay = True  # type: ignore[attr-defined]  # read by train.optim
        else:
            self.register_buffer("pos_embed", table(position, grid, width), persistent=False)
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)
        init_linear(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **changes: Any) -> VideoViT:
        """The encoder that `config` describes, with fresh weights. changes: fields that differ."""
        said = {**config, **changes}
        grid = said.pop("grid")
        return cls(grid if isinstance(grid, TokenGrid) else TokenGrid(*grid), **said)

    @property
    def out_width(self) -> int:
        """Width of what `finish` gives."""
        return self.config["out_width"] or self.width

    def grid_of(self, clips: Tensor) -> TokenGrid:
        """The grid of clips (B, 3, T, H, W). Raises ShapeError for one that this encoder was not built for."""
        grid = TokenGrid.of_clip(*clips.shape[-3:], tubelet=self.tubelet, patch=self.patch)
        if grid != self.grid and not (self.config["any_steps"] and grid.shape[1:] == self.grid.shape[1:]):
            raise ShapeError(f"clips {tuple(clips.shape)} make a {grid}, the encoder was built for a {self.grid}")
        return grid

    def positions(self, grid: TokenGrid) -> Tensor:
        """The position table (N, D) of a grid of `grid_of`."""
        if grid == self.grid:
            return self.pos_embed
        return table(self.config["position"], grid, self.width).to(self.pos_embed)

    def embed(self, clips: Tensor, mask: TokenMask | None = None) -> Tensor:
        """clips: (B, 3, T, H, W) in [0, 1] -> tokens with positions (B, V, D); V = N without a mask."""
        positions = self.positions(self.grid_of(clips)).expand(len(clips), -1, -1)
        if mask is None:
            pixels = patchify(clips, tubelet=self.tubelet, patch=self.patch)
        else:
            pixels = patches_at(clips, mask.visible_ids, tubelet=self.tubelet, patch=self.patch)
            positions = mask.visible(positions)
        repeats = pixels.shape[-1] // len(self.mean)
        pixels = (pixels - self.mean.repeat(repeats)) / self.std.repeat(repeats)
        return self.patch_embed(pixels) + positions

    def forward(
        self,
        clips: Tensor,
        mask: TokenMask | None = None,
        *,
        layers: Collection[int] = (),
        heads: Collection[int] = (),
    ) -> Encoded:
        """clips: (B, 3, T, H, W) in [0, 1] -> Encoded, with layers and attention of the blocks named, from 1 on."""
        for number in (*layers, *heads):
            if not 1 <= number <= self.depth:
                raise OptionError(f"block {number} does not exist: this encoder has blocks 1 to {self.depth}")
        x = self.embed(clips, mask)
        if self.class_token is not None:
            first = self.class_token if self.class_position is None else self.class_token + self.class_position
            x = torch.cat([first.expand(len(x), -1, -1).to(x.dtype), x], dim=1)
        x = self.pre_norm(x)
        start = 0 if self.class_token is None else 1
        out = Encoded(tokens=x)
        for number, block in enumerate(self.blocks, start=1):
            x, looked = block(x, want_heads=number in heads)
            if looked is not None:
                out.heads[number] = looked
            if number in layers:
                out.layers[number] = x[:, start:]
        x = self.norm(x)
        out.tokens = x[:, start:]
        out.class_token = x[:, 0] if start else None
        return out

    def finish(self, layer: Tensor) -> Tensor:
        """layer: (..., D) residual stream of any block -> (..., out_width), final norm and output map applied."""
        return self.head(self.norm(layer))


def _token(width: int) -> Tensor:
    return nn.init.trunc_normal_(torch.empty(1, 1, width), std=0.02)
