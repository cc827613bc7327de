"""Any plain vision transformer of timm as an image encoder: MAE, CLIP, DINOv2, supervised ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import timm
import torch
from einops import rearrange
from timm.layers import PatchEmbed
from timm.layers.attention import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from mvkit.errors import CheckpointError, OptionError, ShapeError, unknown
from mvkit.maskers.base import TokenMask
from mvkit.models.block import AttentionHeads
from mvkit.models.vit import Encoded
from mvkit.tokens import TokenGrid


class TimmEncoder(nn.Module):
    """A timm ViT that answers as `models.frames.Encoder` wants; its own modules compute, nothing is hooked.

    clips: (B, 3, 1, H, W) in [0, 1], normalised inside by the statistics the network was trained with. Layers are the
    residual stream without class token and registers. finish: timm's final norm, and the map to the space shared with
    text in a CLIP that has it. Raises OptionError for networks that are no plain ViT.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, *, keep_head: bool = False) -> None:
        super().__init__()
        self.network = _plain(network)
        rows, columns = self.network.patch_embed.grid_size
        self.grid = TokenGrid(1, rows, columns)
        self.patch, self.tubelet = self.network.patch_embed.patch_size[0], 1
        self.width, self.depth = self.network.embed_dim, len(self.network.blocks)
        head = self.network.head
        self.head = head if keep_head and isinstance(head, nn.Linear) else nn.Identity()
        said: Any = self.network.pretrained_cfg
        self.register_buffer("mean", torch.tensor(said["mean"]), persistent=False)
        self.register_buffer("std", torch.tensor(said["std"]), persistent=False)

    @property
    def out_width(self) -> int:
        """Width of what `finish` gives."""
        return self.head.out_features if isinstance(self.head, nn.Linear) else self.width

    def forward(
        self,
        clips: Tensor,
        mask: TokenMask | None = None,
        *,
        layers: Collection[int] = (),
        heads: Collection[int] = (),
    ) -> Encoded:
        """clips: (B, 3, 1, H, W) in [0, 1] -> Encoded, with layers and attention of the blocks named, from 1 on."""
        for number in (*layers, *heads):
            if not 1 <= number <= self.depth:
                raise OptionError(f"block {number} does not exist: this encoder has blocks 1 to {self.depth}")
        first, net = self.network.num_prefix_tokens, self.network
        if heads and first > 1:
            raise OptionError(
                f"attention of a ViT with {first - 1} registers cannot be given as class and patch tokens"
            )
        x = net.norm_pre(self._embed(clips, mask))
        out = Encoded(tokens=x)
        for number, block in enumerate(net.blocks, start=1):
            if number in heads:
                out.heads[number] = _heads(block, x)
            x = block(x)
            if number in layers:
                out.layers[number] = x[:, first:]
        x = net.norm(x)
        out.tokens = x[:, first:]
        out.class_token = x[:, 0] if net.cls_token is not None else None
        return out

    def finish(self, layer: Tensor) -> Tensor:
        """layer: (..., D) residual stream of any block -> (..., out_width)."""
        return self.head(self.network.norm(layer))

    def _embed(self, clips: Tensor, mask: TokenMask | None) -> Tensor:
        if clips.shape[2] != 1 or clips.shape[-2:] != (self.grid.h * self.patch, self.grid.w * self.patch):
            raise ShapeError(f"clips {tuple(clips.shape)} are not single frames of {self.grid} with patch {self.patch}")
        pixels = (clips[:, :, 0] - self.mean.view(3, 1, 1)) / self.std.view(3, 1, 1)
        x = self.network._pos_embed(self.network.patch_embed(pixels))
        if mask is None:
            return x
        first = self.network.num_prefix_tokens
        return torch.cat([x[:, :first], mask.visible(x[:, first:])], dim=1)


def timm_encoder(name: str, *, pretrained: bool = True, **options: Any) -> TimmEncoder:
    """The encoder of that name in timm, in eval mode. options: of `timm.create_model`, such as img_size.

    A CLIP keeps the map to its shared space, unless it was fine-tuned for classes. Raises OptionError for a name that
    timm does not have or options it does not take, CheckpointError where the weights can be neither found nor fetched.
    """
    if not timm.is_model(name):
        raise OptionError(unknown("timm model", name.partition(".")[0], timm.list_models("*vit*")))
    try:
        tag = getattr(timm.get_pretrained_cfg(name), "tag", "") or ""
        keep_head = "_clip_" in name and "_ft_" not in tag
        options = options if keep_head else {"num_classes": 0, **options}
        network = timm.create_model(name, pretrained=pretrained, **options)
    except (TypeError, RuntimeError) as err:
        raise OptionError(f"timm model '{name}': {str(err).splitlines()[0]}") from None
    except OSError as err:
        raise CheckpointError(
            f"weights of timm model '{name}' are not in the cache and cannot be fetched ({type(err).__name__}): fetch "
            "them once where there is network, or give a file instead, as file:<path>"
        ) from None
    return TimmEncoder(network, keep_head=keep_head).eval()


def _plain(network: nn.Module) -> VisionTransformer:
    """Raises OptionError unless all the network does is what `TimmEncoder.forward` does."""
    name = type(network).__name__
    if not isinstance(network, VisionTransformer) or type(network.patch_embed) is not PatchEmbed:
        raise OptionError(f"{name} is not a plain vision transformer: wanted a model of timm's VisionTransformer")
    blocks: list[Any] = list(network.blocks)
    plain = all(type(block) is Block and type(block.attn) is Attention for block in blocks)
    if not plain or type(network) is not VisionTransformer or network.dynamic_img_size:
        raise OptionError(f"{name} has blocks or images of another kind than a plain vision transformer")
    if len(set(network.patch_embed.patch_size)) > 1:
        raise OptionError(f"{name} has patches of {network.patch_embed.patch_size} pixels: wanted square ones")
    return network


def _heads(block: Any, x: Tensor) -> AttentionHeads:
    """Logits and values of a `Block`'s attention, computed again beside it: the fused one hands out neither."""
    attn = block.attn
    parts = rearrange(attn.qkv(block.norm1(x)), "b n (k h d) -> k b h n d", k=3, h=attn.num_heads)
    q, k, v = parts.unbind(0)
    logits = (attn.q_norm(q) * attn.scale) @ attn.k_norm(k).transpose(-2, -1)
    return AttentionHeads(logits.float(), v)
