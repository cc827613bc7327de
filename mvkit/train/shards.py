"""FSDP2: weights and optimiser states in shards, one a process, and gathered where a whole model is wanted.

Checkpoints are whole and look like those of one process, so a run may go on with any number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from mvkit.errors import OptionError
from mvkit.models.block import Block

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
_SPREAD = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)


def shard(method: nn.Module, groups: list[dict[str, Any]], world: int, device: torch.device) -> None:
    """Shard a method in place, block by block, and put the new parameters in the place of the old in the groups.

    Raises OptionError for a method that learns a single number, which FSDP2 does not shard.
    """
    if single := [name for name, parameter in method.named_parameters() if parameter.ndim == 0]:
        raise OptionError(f"parallel='fsdp' cannot shard '{single[0]}', a single number; use parallel='ddp'")
    names = {parameter: name for name, parameter in method.named_parameters()}
    mesh = init_device_mesh(device.type, (world,))
    for block in [part for part in method.modules() if isinstance(part, Block)]:
        fully_shard(block, mesh=mesh)
    fully_shard(method, mesh=mesh)
    sharded = dict(method.named_parameters())
    for group in groups:
        group["params"] = [sharded[names[parameter]] for parameter in group["params"]]


def whole_weights(method: nn.Module) -> dict[str, Tensor]:
    """All weights on the CPU of the leader, {} elsewhere; every process must ask."""
    weights: Any = get_model_state_dict(method, options=_WHOLE)
    return weights


def whole_states(method: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimiser's state dict as one process has it; {} elsewhere than on the leader; every process must ask."""
    named: Any = get_optimizer_state_dict(method, optimiser, options=_WHOLE)
    if not named:
        return {}
    order = [name for group in named["param_groups"] for name in group["params"]]
    number = {name: i for i, name in enumerate(order)}
    groups = [{**group, "params": [number[n] for n in group["params"]]} for group in named["param_groups"]]
    return {"state": {number[name]: value for name, value in named["state"].items()}, "param_groups": groups}


def spread(
    method: nn.Module,
    optimiser: torch.optim.Optimizer,
    weights: Mapping[str, Tensor],
    states: Mapping[str, Any],
) -> None:
    """Put whole weights and optimiser states into the shards of all processes."""
    set_model_state_dict(method, dict(weights), options=_SPREAD)
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    order = [names[id(parameter)] for group in optimiser.param_groups for parameter in group["params"]]
    groups = [{**group, "params": [order[i] for i in group["params"]]} for group in states["param_groups"]]
    named = {"state": {order[i]: value for i, value in states["state"].items()}, "param_groups": groups}
    set_optimizer_state_dict(method, optimiser, named, options=_SPREAD)


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor, gathered on every process; any other as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor  # type: ignore[attr-defined]
