"""The machine a benchmark ran on: what it is, how busy it was, and how fast it multiplies matrices at best."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mvkit.bench.clock import Spread, seconds
from mvkit.models.linear import linear, prefers_onednn

# What the kernels of torch choose by, in the words of the processor's own list.
_SETS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "amx_int8", "asimd", "sve", "bf16")
_SIDES = {"cpu": ((1536, 384, 1536), (1024, 1024, 1024)), "cuda": ((8192, 8192, 8192),)}


def describe(device: torch.device | str = "cpu") -> dict[str, Any]:
    """Processor, cores, instruction sets, memory, versions, threads and load; nothing that names the machine."""
    info = _cpuinfo()
    flags = set(info.get("flags", info.get("Features", "")).split())
    said: dict[str, Any] = {
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "instruction_sets": [name for name in _SETS if name in flags],
        "memory_gb": _memory(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "load": [round(one, 2) for one in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }
    if torch.device(device).type == "cuda":
        said["gpu"] = torch.cuda.get_device_name(device)
        said["gpu_memory_gb"] = round(torch.cuda.get_device_properties(device).total_memory / 1e9, 1)
        said["cuda"] = torch.version.cuda
    return said


def matmul_limit(
    dtype: torch.dtype = torch.float32, *, clock: str = "wall", device: torch.device | str = "cpu", rounds: int = 7
) -> Spread:
    """GFLOP/s of a matrix product, the fastest of a few shapes and libraries: median, lowest, highest of `rounds`.

    The limit that a step is held against; measured in the run that quotes it, with its threads. On a CPU both of
    torch's libraries are asked (`models.linear`): the limit is the machine's, not that of the slower one.
    """
    found = []
    ways: list[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = [torch.matmul]
    if dtype is torch.float32 and torch.device(device).type == "cpu" and prefers_onednn():
        ways.append(lambda left, right: linear(left, right.t()))
    for rows, inner, columns in _SIDES[torch.device(device).type]:
        left, right = (torch.randn(shape, device=device).to(dtype) for shape in ((rows, inner), (inner, columns)))
        repeats = max(1, int(1e9 // (2 * rows * inner * columns)))

        work = 2e-9 * rows * inner * columns * repeats
        for way in ways:

            def product(way=way, left=left, right=right, repeats=repeats) -> None:
                for _ in range(repeats):
                    way(left, right)

            product()
            found.append(Spread.of([work / seconds(product, clock, device) for _ in range(rounds)]))
    return max(found, key=lambda spread: spread.median)


def _cpuinfo() -> dict[str, str]:
    """The first processor of Linux's own description; nothing on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None
