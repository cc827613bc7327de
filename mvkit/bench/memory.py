"""What a step holds: the tensors that its forward pass keeps for the backward one, and the most it ever held."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def activations(forward: Callable[[], object], model: nn.Module) -> float:
    """MB (10^6 bytes) of different storages that autograd keeps during `forward`, the model's own left out.

    Counted, not sampled: the same on every machine and however busy it is.
    """
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, tuple[int, Tensor]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            # The tensor is held so that its address cannot be given to another one while we count.
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(size for size, _ in kept.values()) / 1e6


def peak(call: Callable[[], object], device: torch.device | str = "cpu") -> float | None:
    """MB (10^6 bytes) of the most memory during `call`: of the process, all it loaded included, or of a CUDA device.

    None where the system does not say (only Linux lets a process forget its earlier peak).
    """
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        _RESET.write_text("5")
    except OSError:
        call()
        return None
    call()
    return _status("VmHWM")


def resident() -> float | None:
    """MB (10^6 bytes) that this process holds now; None where the system does not say."""
    return _status("VmRSS")


def _status(field: str) -> float | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{field}:")), None)
