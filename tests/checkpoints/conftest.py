"""Weights under their official names: cut out of the committed recordings, or made up small."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

RECORDINGS = Path(__file__).parents[1] / "parity" / "recordings"


class Recorded:
    """Tensors and config of a committed recording."""

    def __init__(self, name: str) -> None:
        self.tensors = load_file(RECORDINGS / f"{name}.safetensors")
        self.config = json.loads((RECORDINGS / f"{name}.json").read_text())["config"]

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.tensors[name]

    def under(self, prefix: str) -> dict[str, torch.Tensor]:
        return {n.removeprefix(prefix): v for n, v in self.tensors.items() if n.startswith(prefix)}

    def clips(self, name: str) -> torch.Tensor:
        """Recorded clips are ImageNet-normalised; ours are [0, 1]."""
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        return self[name] * std.view(3, 1, 1, 1) + mean.view(3, 1, 1, 1)


@pytest.fixture(scope="session")
def recorded():
    """name -> a recording, read once."""
    found: dict[str, Recorded] = {}

    def find(name: str) -> Recorded:
        if name not in found:
            found[name] = Recorded(name)
        return found[name]

    return find


@pytest.fixture
def tuned():
    """A fine-tuning file of a video family: width 48, 2 blocks, 5 classes, patches of 8 pixels."""

    def make(*, tubelet: int = 2, width: int = 48, **more: torch.Tensor) -> dict[str, torch.Tensor]:
        g = torch.Generator().manual_seed(3)
        shapes = {"patch_embed.proj.weight": (width, 3, tubelet, 8, 8), "patch_embed.proj.bias": (width,)}
        for i in range(2):
            block = {
                "norm1.weight": (width,),
                "norm1.bias": (width,),
                "attn.q_bias": (width,),
                "attn.v_bias": (width,),
                "attn.qkv.weight": (3 * width, width),
                "attn.proj.weight": (width, width),
                "attn.proj.bias": (width,),
                "norm2.weight": (width,),
                "norm2.bias": (width,),
                "mlp.fc1.weight": (4 * width, width),
                "mlp.fc1.bias": (4 * width,),
                "mlp.fc2.weight": (width, 4 * width),
                "mlp.fc2.bias": (width,),
            }
            shapes |= {f"blocks.{i}.{name}": shape for name, shape in block.items()}
        shapes |= {"fc_norm.weight": (width,), "fc_norm.bias": (width,), "head.weight": (5, width), "head.bias": (5,)}
        return {name: torch.randn(shape, generator=g) / 8 for name, shape in shapes.items()} | more

    return make
