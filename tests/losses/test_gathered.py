"""Two processes on the CPU, each with half of a batch, against one process with all of it."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch

from mvkit.losses.contrastive import caption_groups, contrastive_loss, gathered

# Each process has its half of the rows, and the same weights, as under DistributedDataParallel.
PROGRAM = """
import json, sys, torch, torch.distributed as dist
from mvkit.losses.contrastive import contrastive_loss, gathered
dist.init_process_group("gloo")
rank, full = dist.get_rank(), sys.argv[1] == "full"
torch.manual_seed(0)
x, y, groups = torch.randn(6, 5), torch.randn(6, 4), torch.tensor([3, 1, 4, 1, 5, 9])
first, second = torch.nn.Linear(5, 3), torch.nn.Linear(4, 3)
rows = slice(3 * rank, 3 * rank + 3)
a, b = (gathered(z, full_gradient=full) for z in (first(x[rows]), second(y[rows])))
# As UMT has it: the gradient of b then lies in memory the other way round, which gloo does not see.
similarity = torch.einsum("bse,ce->bsc", a[:, None], b).mean(1)
loss = contrastive_loss(similarity, temperature=0.5, groups=gathered(groups[rows]))
loss.backward()
for p in (*first.parameters(), *second.parameters()):
    dist.all_reduce(p.grad)
    p.grad /= dist.get_world_size()
if rank == 0:
    print(json.dumps([loss.item(), first.weight.grad.tolist(), second.bias.grad.tolist()]))
dist.destroy_process_group()
"""


def two_processes(kind: str) -> list:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, kind], env={**shared, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    return json.loads(said[0])


def one_process() -> list:
    torch.manual_seed(0)
    x, y, groups = torch.randn(6, 5), torch.randn(6, 4), torch.tensor([3, 1, 4, 1, 5, 9])
    first, second = torch.nn.Linear(5, 3), torch.nn.Linear(4, 3)
    loss = contrastive_loss(gathered(first(x)) @ gathered(second(y)).T, temperature=0.5, groups=gathered(groups))
    loss.backward()
    return [loss.item(), first.weight.grad, second.bias.grad]


@pytest.mark.slow
def test_two_processes_have_the_loss_and_the_gradients_of_one_with_the_whole_batch():
    wanted, got = one_process(), two_processes("full")
    assert got[0] == pytest.approx(wanted[0], abs=1e-6)
    assert torch.allclose(torch.tensor(got[1]), wanted[1], atol=1e-6)
    assert torch.allclose(torch.tensor(got[2]), wanted[2], atol=1e-6)


@pytest.mark.slow
def test_without_the_full_gradient_they_have_half_of_it_as_in_the_released_code():
    wanted, got = one_process(), two_processes("own")
    assert got[0] == pytest.approx(wanted[0], abs=1e-6)
    assert torch.allclose(torch.tensor(got[1]), wanted[1] / 2, atol=1e-6)


def test_the_same_words_are_the_same_group_in_every_process():
    a, b, c = caption_groups(["A red square!", "a red square", "a blue square"]).tolist()
    assert a == b != c
