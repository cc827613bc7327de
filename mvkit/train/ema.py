"""A running mean of the weights, which is often a little better than the last weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


class Ema:
    """mean = decay * mean + (1 - decay) * weights, after each step; of what is trained, in its own precision.

    weights: name -> tensor on the module's device. Buffers and frozen parameters are those of the module.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._own = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.weights = {name: p.detach().clone() for name, p in self._own.items()}

    @torch.no_grad()
    def update(self) -> None:
        torch._foreach_lerp_(list(self.weights.values()), list(self._own.values()), 1 - self.decay)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """weights: whole, also where the module's own are sharded."""
        for name, mean in self.weights.items():
            value = weights[name].to(mean.device)
            sharded = isinstance(mean, DTensor)
            mean.copy_(distribute_tensor(value, mean.device_mesh, mean.placements) if sharded else value)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The module has the mean as its weights while this is open."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._own.items():
            mine = parameter.detach().clone()
            parameter.copy_(self.weights[name])
            self.weights[name].copy_(mine)
