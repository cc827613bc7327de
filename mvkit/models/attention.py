"""softmax(q k^T / sqrt(d)) v by the fastest way torch has here: SDPA, plain products, or blocks of oneDNN's products.

SDPA on a CPU multiplies by MKL, which is slow on AMD processors (`models.linear`). Blocks of queries whose weights stay
in the cache, each product oneDNN's: 1.58 times as fast as SDPA, forward and backward, for 1,568 tokens (one thread of
an EPYC of the Zen 5 kind), 1.3 for 392, 0.9 for 197. Like SDPA it keeps q, k and v alone for the backward pass. What
is chosen hangs on processor, precision and sizes, never on a timing, so a machine always computes the same numbers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from mvkit.models.linear import onednn_is_faster, product

PLAIN_TOKENS = 512
BLOCK_TOKENS = 320
_CACHED = 400_000  # weights of a block of queries: 1.6 MB; twice that and the backward pass was half as fast


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """q: (B, heads, M, d), k and v: (B, heads, N, d) -> (B, heads, M, d)."""
    if onednn_is_faster(q, k) and k.shape[2] >= BLOCK_TOKENS:
        return _Blocks.apply(q, k, v)  # type: ignore[return-value]
    if _plain_is_faster(q, k):
        return ((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)).softmax(-1).to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v)


def _plain_is_faster(q: Tensor, k: Tensor) -> bool:
    """Training in bf16 on a CPU, few tokens: SDPA's backward is slow there (a tiny step took 1.6 times as long)."""
    return q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.requires_grad and k.shape[2] <= PLAIN_TOKENS


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = q * q.shape[-1] ** -0.5, k.contiguous(), v.contiguous()
        ctx.save_for_backward(q, k, v)
        out = torch.empty_like(q)
        for head, rows in _blocks(q, k):
            out[head][rows] = product(product(q[head][rows], k[head]).softmax(-1), v[head].t())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        q, k, v = ctx.saved_tensors
        gradient = gradient.contiguous()
        for_q = torch.empty_like(q)
        # Transposed, because oneDNN takes a transposed second matrix as it is and copies a transposed first one.
        for_k, for_v = torch.zeros_like(k.mT), torch.zeros_like(v.mT)
        for head, rows in _blocks(q, k):
            queries, wanted = q[head][rows], gradient[head][rows]
            weights = product(queries, k[head]).softmax(-1)
            for_v[head] += product(wanted.t(), weights.t())
            # Of softmax: weights * (g - sum(g * weights)), in one pass.
            logits = torch.ops.aten._softmax_backward_data(product(wanted, v[head]), weights, -1, weights.dtype)
            for_q[head][rows] = product(logits, k[head].t())
            for_k[head] += product(queries.t(), logits.t())
        return for_q * q.shape[-1] ** -0.5, for_k.mT, for_v.mT


def _blocks(q: Tensor, k: Tensor) -> list[tuple[tuple[int, int], slice]]:
    """Clip and head, and some of its queries, until all have been named."""
    count = -(-q.shape[2] * k.shape[2] // _CACHED)
    size = -(-q.shape[2] // count)
    starts = range(0, q.shape[2], size)
    return [((b, h), slice(i, i + size)) for b in range(q.shape[0]) for h in range(q.shape[1]) for i in starts]
