"""Device and precision, decided once at the start of a run."""

import contextlib

import torch

from mvkit.errors import OptionError


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is the first CUDA device, else the CPU. Raises OptionError for a device this machine lacks."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as err:
        raise OptionError(f"device '{name}' is not one torch knows: {str(err).splitlines()[0]}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise OptionError(f"device '{name}' was asked for, but torch sees no CUDA device here; use device=cpu")
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """ "auto" is bf16 where it is faster than fp32: on CUDA devices that have it, and on CPUs with bf16 instructions.

    Without them bf16 on a CPU is emulated and slower than fp32.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """The context a forward pass runs in; parameters stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
