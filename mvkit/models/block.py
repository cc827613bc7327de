"""The transformer block of the VideoMAE family, and its attention.

Four things differ from timm's block, and are why it is written here: the key has no bias (a key bias shifts every
logit of a query alike, softmax cancels it, and AdamW would still push it around; `key_bias` is for weights of MAE and
CLIP, which have one), a block hands back logits and values where a loss is made of them, it can compute only its
last tokens, which is all a decoder's last block needs, and its products are those of `models.linear` and
`models.attention`. LayerScale and DropPath are timm's.
"""

from functools import partial
from typing import NamedTuple

import torch
from einops import rearrange
from timm.layers import DropPath, LayerScale
from timm.layers.activations import QuickGELU
from torch import Tensor, nn

from mvkit.errors import OptionError, ShapeError, unknown
from mvkit.models.attention import attention
from mvkit.models.linear import Linear, linear

NORM_EPS = 1e-6
ACTIVATIONS = {"gelu": nn.GELU, "quick_gelu": QuickGELU}


class AttentionHeads(NamedTuple):
    """What one attention computed. logits: (B, heads, V, V) float32, scaled by d^-0.5, before the softmax; values:
    (B, heads, V, d), their bias included. Gradients flow through both."""

    logits: Tensor
    values: Tensor

    @property
    def weights(self) -> Tensor:
        """(B, heads, V, V) float32, rows sum to 1."""
        return self.logits.softmax(-1)


class Attention(nn.Module):
    """Multi-head self-attention; a plain exact softmax where logits and values are asked for."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool = True, key_bias: bool = False) -> None:
        super().__init__()
        if width % heads:
            raise ShapeError(f"width {width} does not divide into {heads} heads")
        self.heads = heads
        self.qkv = Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width)) if qkv_bias else None
        self.k_bias = nn.Parameter(torch.zeros(width)) if qkv_bias and key_bias else None
        self.v_bias = nn.Parameter(torch.zeros(width)) if qkv_bias else None
        self.proj = Linear(width, width)

    def project(self, x: Tensor, last: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """x: (B, N, D) -> query (B, heads, last or N, d), key and value (B, heads, N, d)."""
        if last is None:
            q, k, v = linear(x, self.qkv.weight, self._bias()).chunk(3, dim=-1)
        else:
            width, bias = x.shape[-1], self._bias()
            q_bias, kv_bias = (None, None) if bias is None else bias.split([width, 2 * width])
            q = linear(x.narrow(1, x.shape[1] - last, last), self.qkv.weight[:width], q_bias)
            k, v = linear(x, self.qkv.weight[width:], kv_bias).chunk(2, dim=-1)
        q, k, v = (rearrange(part, "b n (h d) -> b h n d", h=self.heads) for part in (q, k, v))
        return q, k, v

    def _bias(self) -> Tensor | None:
        if self.q_bias is None or self.v_bias is None:
            return None
        return torch.cat(
            [self.q_bias, torch.zeros_like(self.q_bias) if self.k_bias is None else self.k_bias, self.v_bias]
        )

    def forward(
        self, x: Tensor, *, last: int | None = None, want_heads: bool = False
    ) -> tuple[Tensor, AttentionHeads | None]:
        """x: (B, N, D) -> ((B, last or N, D), heads or None)."""
        q, k, v = self.project(x, last)
        heads = None
        if want_heads:
            heads = AttentionHeads(((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)).float(), v)
            out = heads.weights.to(v.dtype) @ v
        else:
            out = attention(q, k, v)
        return self.proj(rearrange(out, "b h n d -> b n (h d)")), heads


class Mlp(nn.Module):
    """(..., width) -> (..., width) by way of `hidden` channels."""

    def __init__(self, width: int, hidden: int, activation: nn.Module) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = Linear(width, hidden), activation, Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)).

    drop_path: chance to drop a branch of a sample, in training. layer_scale: first value of a learned factor on each
    branch; 0 leaves the factor out. activation: of `ACTIVATIONS`; "gelu" is the exact one.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        key_bias: bool = False,
        drop_path: float = 0.0,
        layer_scale: float = 0.0,
        activation: str = "gelu",
        norm_eps: float = NORM_EPS,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise OptionError(unknown("activation", activation, ACTIVATIONS))
        norm = partial(nn.LayerNorm, width, eps=norm_eps)
        scale = partial(LayerScale, width, layer_scale) if layer_scale else nn.Identity
        self.norm1, self.ls1 = norm(), scale()
        self.attn = Attention(width, heads, qkv_bias=qkv_bias, key_bias=key_bias)
        self.norm2, self.ls2 = norm(), scale()
        self.mlp = Mlp(width, int(width * mlp_ratio), ACTIVATIONS[activation]())
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(
        self, x: Tensor, *, last: int | None = None, want_heads: bool = False
    ) -> tuple[Tensor, AttentionHeads | None]:
        """x: (B, N, D) -> ((B, last or N, D), heads or None). last: compute only that many last tokens."""
        seen, heads = self.attn(self.norm1(x), last=last, want_heads=want_heads)
        if last is not None:
            x = x.narrow(1, x.shape[1] - last, last)
        x = x + self.drop_path(self.ls1(seen))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x)))), heads


def blocks(depth: int, width: int, heads: int, *, drop_path: float = 0.0, **options) -> nn.ModuleList:
    """A stack of `Block`s whose drop path grows linearly from 0 at the first to `drop_path` at the last."""
    rates = [drop_path * i / max(depth - 1, 1) for i in range(depth)]
    return nn.ModuleList(Block(width, heads, drop_path=rate, **options) for rate in rates)


def init_linear(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every Linear below `module`, as the released code starts."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
