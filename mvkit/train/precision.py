"""Device, precision and determinism, decided once at the start of a run."""

import contextlib
import os
from collections.abc import Iterator

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

    Without them bf16 on a CPU is emulated and slower than fp32. Raises OptionError for fp16 elsewhere than on CUDA.
    """
    if name == "fp16" and device.type != "cuda":
        raise OptionError(f"precision=fp16 is for CUDA devices, this run is on {device.type}; use bf16 or fp32")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """The context a forward pass runs in; parameters stay float32."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "fp32")


def loss_scaler(precision: str) -> torch.amp.GradScaler | None:
    """fp16 cannot hold small gradients: the loss is scaled up, and a step whose gradients overflow is left out."""
    return torch.amp.GradScaler("cuda") if precision == "fp16" else None


@contextlib.contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """Only deterministic kernels while this is open, if wanted; torch raises RuntimeError where it has none."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    # cuBLAS reads it at its first call, so it helps only a process that has not multiplied on a GPU yet.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
