"""Attention of a block without its N x N matrix: its queries and keys are kept, rows are computed when asked for.

On an 8x14x14 grid with 12 heads of 64 the matrix of one block is 118 MB a clip, queries and keys are 9.6 MB, a row is
75 kB. The encoder runs as it always does, SDPA included; what enters its attention is read in passing, and the asked
rows are an exact float32 softmax of the same queries and keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.attention import fuse, on_grid, row_of, without
from mvkit.maskers.base import TokenMask
from mvkit.models.block import Attention
from mvkit.models.frames import Encoder, per_frame, sees_frames
from mvkit.models.teachers import Teacher
from mvkit.models.timm_encoder import TimmEncoder
from mvkit.models.vit import Encoded
from mvkit.tokens import TokenGrid

CHUNK = 2**24  # weights held at once where all rows are gone through: 64 MB


@dataclass(frozen=True)
class QueryKeys:
    """What the attention of one block is made of; G = B clips, or the B*steps frames an image encoder saw one by one.

    queries, keys: (G, heads, K, d) float32, the query scaled by d^-0.5; K = prefix + V, the `prefix` tokens without a
    place (class token first, registers) before the V visible ones. view: the grid of what one softmax spans. Maps of a
    clip lie on `grid`, its `steps` views one after the other, NaN where a token is hidden or was not in view.
    """

    queries: Tensor
    keys: Tensor
    view: TokenGrid
    steps: int = 1
    prefix: int = 0
    class_token: bool = False
    mask: TokenMask | None = None

    @property
    def grid(self) -> TokenGrid:
        return TokenGrid(self.view.t * self.steps, self.view.h, self.view.w)

    def query_map(self, query: tuple[int, int, int], *, heads: str | int = "mean", drop_self: bool = False) -> Tensor:
        """Attention of one token (t, y, x): (B, t, h, w), or (B, heads, t, h, w) for heads="all".

        heads: as `attention.fuse`. drop_self: NaN at the query itself, the rest sums to 1. What a class token gets is
        missing from the sum. Raises MaskError if the query is hidden in some clip, ShapeError, OptionError.
        """
        self.grid.index(*query)
        step, t = divmod(query[0], self.view.t)
        seen = self.of_view(step)
        row = row_of((t, *query[1:]), self.view, self.mask, len(seen.keys)).to(self.keys.device)
        asked = seen.queries[torch.arange(len(row), device=row.device), :, self.prefix + row]  # (B, heads, d)
        weights = torch.einsum("bhd,bhkd->bhk", asked, seen.keys).softmax(-1)[..., self.prefix :]
        part = seen.on_clip(fuse(without(weights, row) if drop_self else weights, heads))
        return self.among_views(part, step)

    def class_map(self, *, heads: str | int = "mean") -> Tensor:
        """Attention of the class token: (B, t, h, w), or (B, heads, t, h, w).

        What it gives itself is missing from the sum. Image encoders have one a frame: the mean over them, so that each
        step holds 1/t of the sum. Raises ShapeError for an encoder without one: none is made up.
        """
        self.need_class_token()
        weights = torch.einsum("ghd,ghkd->ghk", self.queries[:, :, 0], self.keys).softmax(-1)
        return self.on_clip(fuse(weights[..., self.prefix :], heads)) / self.steps

    def received(self, *, heads: str | int = "mean") -> Tensor:
        """How much each token is looked at, the mean over all tokens of the clip: (B, t, h, w), or (B, heads, t, h, w).

        Sums to 1 over the clip, less what a class token gets. Raises OptionError.
        """
        total = self.keys.new_zeros(self.keys.shape[:3])
        for _, rows in self.rows(self.prefix):
            total += rows.sum(2)
        mean = total[..., self.prefix :] / (self.keys.shape[2] - self.prefix)
        return self.on_clip(fuse(mean, heads)) / self.steps

    def rows(self, start: int = 0) -> Iterator[tuple[slice, Tensor]]:
        """All rows of the matrix from `start` on, some at a time: their places among the K, (G, heads, rows, K)."""
        groups, heads, count, _ = self.keys.shape
        size = max(1, CHUNK // max(1, groups * heads * count))
        for first in range(start, count, size):
            part = slice(first, min(first + size, count))
            yield part, (self.queries[:, :, part] @ self.keys.mT).softmax(-1)

    def of_view(self, step: int) -> QueryKeys:
        """What one frame of every clip holds, of an image encoder; of a video encoder, all."""
        if self.steps == 1:
            return self
        return replace(self, queries=self.queries[step :: self.steps], keys=self.keys[step :: self.steps], steps=1)

    def on_clip(self, values: Tensor) -> Tensor:
        """values: (G, ..., V) -> (B, ..., t, h, w), NaN where hidden."""
        return rearrange(on_grid(values, self.view, self.mask), "(b s) ... t h w -> b ... (s t) h w", s=self.steps)

    def among_views(self, part: Tensor, step: int) -> Tensor:
        """part: (B, ..., t, h, w) of one view -> of the clip, NaN in the other views, which took no part."""
        if self.steps == 1:
            return part
        whole = part.new_full((*part.shape[:-3], *self.grid.shape), torch.nan)
        whole[..., step * self.view.t : (step + 1) * self.view.t, :, :] = part
        return whole

    def need_class_token(self) -> None:
        """Raises ShapeError for an encoder without one."""
        if not self.class_token:
            raise ShapeError("this encoder has no class token: take received() or the map of a query instead")


@torch.no_grad()
def query_keys(
    encoder: Encoder | Teacher,
    clips: Tensor,
    blocks: Collection[int],
    *,
    mask: TokenMask | None = None,
    steps: int | None = None,
) -> dict[int, QueryKeys]:
    """Run an encoder, in the mode it is in, and keep queries and keys of some blocks: block number, from 1, -> them.

    encoder: `VideoViT`, `TimmEncoder`, or a `Teacher`. clips, mask: as `encode`; steps: of an image encoder, how many
    frames it sees. Raises OptionError for a block that does not exist.
    """
    inner: Any = encoder.encoder if isinstance(encoder, Teacher) else encoder
    network: Any = inner.network if isinstance(inner, TimmEncoder) else inner
    for number in blocks:
        if not 1 <= number <= inner.depth:
            raise OptionError(f"block {number} does not exist: this encoder has blocks 1 to {inner.depth}")
    found: dict[int, tuple[Tensor, Tensor]] = {}
    hooks = [
        network.blocks[number - 1].attn.register_forward_pre_hook(partial(_keep, found, number)) for number in blocks
    ]
    try:
        encode(encoder, clips, mask=mask, steps=steps)
    finally:
        for hook in hooks:
            hook.remove()
    prefix = network.num_prefix_tokens if isinstance(inner, TimmEncoder) else int(inner.class_token is not None)
    first = network.cls_token if isinstance(inner, TimmEncoder) else inner.class_token
    return {
        n: QueryKeys(q, k, inner.grid, len(q) // len(clips), prefix, first is not None, mask)
        for n, (q, k) in sorted(found.items())
    }


def encode(
    encoder: Encoder | Teacher,
    clips: Tensor,
    *,
    mask: TokenMask | None = None,
    steps: int | None = None,
    layers: Collection[int] = (),
) -> Encoded:
    """Any encoder on clips (B, 3, T, H, W) in [0, 1]; an image encoder sees `steps` frames one by one, None for all T.

    A mask is for video encoders, and for images. Raises ShapeError.
    """
    if isinstance(encoder, Teacher):
        return encoder(clips, mask, steps=steps, layers=layers)
    if mask is None and sees_frames(encoder):
        return per_frame(encoder, clips, steps=steps, layers=layers)
    return encoder(clips, mask, layers=layers)


def _keep(found: dict[int, tuple[Tensor, Tensor]], number: int, attention: nn.Module, inputs: tuple[Any, ...]) -> None:
    found[number] = _project(attention, inputs[0])


def _project(attention: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """x: (G, K, D), normed -> query, scaled, and key, (G, heads, K, d) float32."""
    if isinstance(attention, Attention):
        q, k, _ = attention.project(x)
    else:
        parts = rearrange(attention.qkv(x), "g n (k h d) -> k g h n d", k=3, h=attention.num_heads)
        q, k = attention.q_norm(parts[0]), attention.k_norm(parts[1])
    return q.float() * q.shape[-1] ** -0.5, k.float()
