"""Which tensors a method makes of a batch: the shape of what each of its modules gives, in one real step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mvkit.methods.base import Method
from mvkit.models.vit import Encoded

Shape = tuple[int, ...]


def of_step(method: Method, clips: Tensor, *, generator: torch.Generator, **given: Any) -> dict[str, Shape]:
    """Name -> shape, of one forward pass: what `viz.anatomy` draws a method from.

    "clips"; "visible.<role>" (B, V) and "hidden.<role>" (B, M) of every mask; modules by their name, as "encoder"
    (B, V, D) or "decoders.image", at their first call; "teachers.<role>"; artifacts by theirs; "loss" ().
    clips: (B, 3, T, H, W) in [0, 1]. given: what else the method's forward takes, such as captions.
    """
    found: dict[str, Shape] = {"clips": tuple(clips.shape)}
    hooks = [module.register_forward_hook(partial(_note, found, name)) for name, module in _modules(method)]
    try:
        with torch.no_grad():
            out = method(clips, generator=generator, artifacts=True, **given)
    finally:
        for hook in hooks:
            hook.remove()
    for role, mask in out.masks.items():
        found[f"visible.{role}"], found[f"hidden.{role}"] = tuple(mask.visible_ids.shape), tuple(mask.hidden_ids.shape)
    found |= {name: tuple(value.shape) for name, value in out.artifacts.items()}
    return {**found, "loss": tuple(out.loss.shape)}


def _modules(method: Method) -> Iterator[tuple[str, nn.Module]]:
    """Its own modules, and its teachers, which are none of them."""
    yield from ((name, module) for name, module in method.named_modules() if name)
    yield from ((f"teachers.{role}", teacher) for role, teacher in method.teachers.items())


def _note(found: dict[str, Shape], name: str, module: nn.Module, inputs: Any, output: Any) -> None:
    tokens = output.tokens if isinstance(output, Encoded) else output
    if isinstance(tokens, Tensor):
        found.setdefault(name, tuple(tokens.shape))
