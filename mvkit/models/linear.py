"""Linear maps by the faster of the two libraries that torch has for them on a CPU.

In fp32 torch asks MKL, which on AMD processors leaves their AVX-512 units alone: measured on an EPYC of the Zen 5 kind,
one thread, 95 GFLOP/s, and oneDNN 200 on the same matrices. bf16, other processors and GPUs are left to torch. The
choice hangs on the processor alone, never on a timing, so a machine always computes the same numbers.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable


class Linear(nn.Linear):
    """`nn.Linear`, computed by `linear`."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x: (..., K), weight: (D, K), bias: (D,) -> (..., D), as `F.linear`; by oneDNN where that is the faster one."""
    if onednn_is_faster(x, weight):
        return _OneDNN.apply(x, weight, bias)  # type: ignore[return-value]
    return F.linear(x, weight, bias)


def onednn_is_faster(left: Tensor, right: Tensor) -> bool:
    """For a product of these two, here and now."""
    return (
        not torch.compiler.is_compiling()  # first: the compiler must not trace what asks for the processor
        and left.dtype is right.dtype is torch.float32
        and left.device.type == "cpu"
        and prefers_onednn()
        and left.numel() > 0  # oneDNN refuses nothing
        and not torch.is_autocast_enabled("cpu")
    )


@cache
def prefers_onednn() -> bool:
    """Is this an AMD processor with AVX-512, and oneDNN in this torch?"""
    try:
        amd = "AuthenticAMD" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return amd and wide and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class _OneDNN(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])
        for_x = product(gradient, weight.t()) if ctx.needs_input_grad[0] else None
        for_weight = _crossed(rows, x.reshape(-1, x.shape[-1])) if ctx.needs_input_grad[1] else None
        return for_x, for_weight, rows.sum(0) if ctx.needs_input_grad[2] else None


def _crossed(left: Tensor, right: Tensor) -> Tensor:
    """left^T right of (R, D) and (R, K). The first of a product is copied when it is transposed, the second is not."""
    (rows, out), inner = left.shape, right.shape[1]
    if rows * inner + out * inner < rows * out:  # the second term: a gradient is stored as its weight lies
        return product(right.t(), left.t()).t()
    return product(left.t(), right.t())


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight^T + bias by oneDNN, without gradient."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
