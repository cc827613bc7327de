"""softmax(q k^T / sqrt(d)) v by the fastest way torch has here: SDPA, or products in blocks of queries.

SDPA on a CPU multiplies by MKL, which is slow on AMD processors (`models.linear`). Blocks whose weights stay in the
cache, each product oneDNN's: 1.58 times as fast as SDPA, forward and backward, for 1,568 tokens (one thread of
an EPYC of the Zen 5 kind), 1.3 for 392, 0.9 for 197. In bf16 SDPA's backward pass is slow on any CPU: there products of
all heads at once are 1.5 to 1.9 times as fast for 1,568 tokens, and 2.9 for 392; they round the logits to bf16, which
SDPA does not. Like SDPA, blocks keep q, k and v alone for the backward pass. What is chosen hangs on processor,
precision and sizes, never on a timing, so a machine always computes the same numbers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from mvkit.models.linear import onednn_is_faster, product

PLAIN_TOKENS = 512  # in bf16, up to here the weights are kept for the backward pass
BLOCK_TOKENS = 320  # in fp32
_CACHED = 800_000  # weights of a block, 3.2 MB; half of that: 4 % more time a step with two threads, as much with one
_CACHED_BF16 = 4_000_000  # of all heads together


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """q: (B, heads, M, d), k and v: (B, heads, N, d) -> (B, heads, M, d)."""
    if onednn_is_faster(q, k) and k.shape[2] >= BLOCK_TOKENS:
        return _HeadBlocks.apply(q, k, v)  # type: ignore[return-value]
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.requires_grad:
        if k.shape[2] > PLAIN_TOKENS and q.numel():  # nothing makes no block
            return _Blocks.apply(q, k, v)  # type: ignore[return-value]
        return ((q * q.shape[-1] ** -0.5) @ k.mT).softmax(-1).to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v)


class _HeadBlocks(torch.autograd.Function):
    """Queries of one head at a time, by oneDNN."""

    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = q * q.shape[-1] ** -0.5, k.contiguous(), v.contiguous()
        ctx.save_for_backward(q, k, v)
        out, size = torch.empty_like(q), _block_rows(q, k, _CACHED)
        for queries, keys, values, found in zip(*map(_heads, (q, k, v, out)), strict=True):
            values = values.t()
            for some, here in zip(queries.split(size), found.split(size), strict=True):
                here.copy_(product(product(some, keys).softmax(-1), values))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        q, k, v = ctx.saved_tensors
        for_q, size = torch.empty_like(q), _block_rows(q, k, _CACHED)
        # Transposed, because oneDNN takes a transposed second matrix as it is and copies a transposed first one.
        for_k, for_v = torch.zeros_like(k.mT), torch.zeros_like(v.mT)
        heads = map(_heads, (q, k, v, gradient.contiguous(), for_q, for_k, for_v))
        for queries, keys, values, wanted, query_gradient, key_gradient, value_gradient in zip(*heads, strict=True):
            across = keys.t()
            for some, wish, here in zip(*(part.split(size) for part in (queries, wanted, query_gradient)), strict=True):
                weights = product(some, keys).softmax(-1)
                value_gradient += product(wish.t(), weights.t())
                logits = _softmax_gradient(product(wish, values), weights)
                here.copy_(product(logits, across))
                key_gradient += product(some.t(), logits.t())
        return for_q * q.shape[-1] ** -0.5, for_k.mT, for_v.mT


class _Blocks(torch.autograd.Function):
    """Queries of all heads at a time; gradients of keys and values are summed over blocks in float32."""

    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q = q * q.shape[-1] ** -0.5
        ctx.save_for_backward(q, k, v)
        size = _block_rows(q, k, _CACHED_BF16 // (q.shape[0] * q.shape[1]))
        return torch.cat([_weights(some, k) @ v for some in q.split(size, dim=2)], dim=2)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        q, k, v = ctx.saved_tensors
        size = _block_rows(q, k, _CACHED_BF16 // (q.shape[0] * q.shape[1]))
        for_k, for_v = (torch.zeros(part.shape, dtype=torch.float32) for part in (k, v))
        for_q = []
        for some, wish in zip(q.split(size, dim=2), gradient.split(size, dim=2), strict=True):
            weights = _weights(some, k)
            for_v += weights.mT @ wish
            logits = _softmax_gradient(wish @ v.mT, weights)
            for_q.append(logits @ k)
            for_k += logits.mT @ some
        return torch.cat(for_q, dim=2) * q.shape[-1] ** -0.5, for_k.to(k.dtype), for_v.to(v.dtype)


def _weights(q: Tensor, k: Tensor) -> Tensor:
    return torch.softmax(q @ k.mT, -1, dtype=q.dtype)  # torch computes it in float32; autocast would return that too


def _softmax_gradient(passed: Tensor, weights: Tensor) -> Tensor:
    """weights * (passed - sum(passed * weights)), in one pass."""
    return torch.ops.aten._softmax_backward_data(passed, weights, -1, weights.dtype)


def _heads(x: Tensor) -> list[Tensor]:
    """(B, heads, N, d) -> (N, d) of every clip and head, as views."""
    return [head for clip in x.unbind() for head in clip.unbind()]


def _block_rows(q: Tensor, k: Tensor, weights: int) -> int:
    """Queries of a block of about so many weights."""
    count = -(-q.shape[2] * k.shape[2] // max(1, weights))
    return max(1, -(-q.shape[2] // count))
