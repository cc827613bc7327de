"""How transformer blocks run in training, where nearly all time and memory go: compiled, or computed again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mvkit.errors import OptionError
from mvkit.methods.base import Method
from mvkit.models.block import Block

# Compiled once for each shape, drop path rate and width it meets; a run has a dozen or two.
_KINDS = 64


def compile_blocks(method: Method, device: torch.device) -> None:
    """torch.compile for the blocks of a method and of its teachers, in place.

    Blocks alone, because they repeat: one is compiled for all of its kind, what surrounds them stays as it is, and no
    weight gets another name. Random numbers are those of eager blocks, sums may be added in another order. The
    method's own blocks run eagerly outside of training, where shapes change.
    Raises OptionError where there is no compiler.
    """
    _check_compiler(device)
    for block in _blocks(method):
        block.forward = partial(_in_training, block, _compiled(block.forward), block.forward)
    for block in chain.from_iterable(map(_blocks, method.teachers.values())):
        block.forward = _compiled(block.forward)


def recompute_blocks(method: nn.Module) -> None:
    """Keep what enters a block and compute it again in the backward pass."""
    for block in _blocks(method):
        again = partial(checkpoint, block.forward, use_reentrant=False)
        block.forward = partial(_in_training, block, again, block.forward)


def _compiled(call: Callable) -> Callable:
    # fullgraph: what cannot be compiled is an error, never quietly left as it was.
    options: dict[str, Any] = {"fallback_random": True}
    return torch.compile(call, fullgraph=True, dynamic=False, recompile_limit=_KINDS, options=options)  # type: ignore[call-overload]


def _blocks(network: nn.Module) -> list[Block]:
    return [part for part in network.modules() if isinstance(part, Block)]


def _in_training(block: Block, changed: Callable, plain: Callable, x: torch.Tensor, **options: Any) -> Any:
    return (changed if block.training and torch.is_grad_enabled() else plain)(x, **options)


def _check_compiler(device: torch.device) -> None:
    # Private, but the only way to ask before the first step, which would end in a page of the compiler's own words.
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler
    from torch.utils._triton import has_triton

    if device.type == "cuda" and not has_triton():
        raise OptionError("compile=true needs triton on CUDA, which is not installed: pip install triton")
    try:
        get_cpp_compiler()
    except (InvalidCxxCompiler, RuntimeError):
        raise OptionError("compile=true needs a C++ compiler, such as g++: install one, or use compile=false") from None
