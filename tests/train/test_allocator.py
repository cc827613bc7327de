"""Freed memory stays with the process."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
from mvkit.train.allocator import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
for turn in range(12):
    if turn == 4:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [torch.ones(5_000_000) for _ in range(8)]
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are counted as Linux does")
def test_a_step_finds_the_memory_of_the_one_before():
    faults = {}
    for kind in ("keep", "leave"):
        ended = subprocess.run([sys.executable, "-c", PROGRAM, kind], capture_output=True, text=True, check=False)
        if ended.returncode == 3:
            pytest.skip("this C library is not glibc")
        faults[kind] = int(ended.stdout)
    assert faults["keep"] < 0.1 * faults["leave"]
