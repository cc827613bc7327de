"""What the checks of one training step share: clips as this kit takes them, blocks as weights tell, gradients."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mvkit.models.vit import VideoViT
from mvkit.parity.recording import GroupResult, Recording

State = Mapping[str, Tensor]


def clips_of(video: Tensor, encoder: VideoViT) -> Tensor:
    """Recorded clips are normalised already; ours are [0, 1] at the border, and may lie outside of it here."""
    shape = (len(encoder.mean), 1, 1, 1)
    return video * encoder.std.view(shape) + encoder.mean.view(shape)


def gradients(
    recording: Recording, module: nn.Module, write: Callable[[State], State], prefix: str = "grad."
) -> Iterator[GroupResult]:
    """Every recorded gradient against the one that `module` holds now; write: our names -> official ones."""
    official = write({name: _gradient(p) for name, p in module.named_parameters()})
    for name, wanted in recording.under(prefix).items():
        if name == "total_norm":
            yield recording.compare(f"{prefix}{name}", gradient_norm(module), wanted)
        elif name in official:
            yield recording.compare(f"{prefix}{name}", official[name].view_as(wanted), wanted)
        else:
            yield GroupResult(recording.name, f"{prefix}{name}", float("inf"), 0.0, "no such gradient here")


def _gradient(parameter: nn.Parameter) -> Tensor:
    """Zeros where no loss reaches it, which some recordings write and others leave out."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def gradient_norm(module: nn.Module) -> Tensor:
    """() the norm of all gradients that `module` holds."""
    return torch.stack([p.grad.norm() for p in module.parameters() if p.grad is not None]).norm()


def block_options(state: State, prefix: str = "") -> dict[str, Any]:
    """Options of the blocks below `prefix` in a state with our names: sidecars do not say all of them of all stacks."""
    hidden, width = state[f"{prefix}blocks.0.mlp.fc1.weight"].shape
    return {
        "mlp_ratio": (hidden + 0.5) / width,  # a block rounds down
        "qkv_bias": f"{prefix}blocks.0.attn.q_bias" in state,
        "layer_scale": 1.0 if f"{prefix}blocks.0.ls1.gamma" in state else 0.0,
    }


# What is not known of a gradient in float32, as a share of the largest one of its parameter.
_UNCERTAIN = 1e-5


def step_slack(module: nn.Module, optimiser: torch.optim.AdamW, rate: float) -> dict[str, Tensor]:
    """How far rounding may have moved each parameter in the AdamW step just taken, at a learning rate.

    A step is rate * m / sqrt(v): a gradient as small as rounding has no certain sign, and the step goes either way.
    """
    found = {}
    for name, parameter in module.named_parameters():
        said = optimiser.state.get(parameter)
        if said:
            # The bias correction of v is the same factor everywhere, and cancels.
            size = said["exp_avg_sq"].sqrt()
            found[name] = 2 * rate * (_UNCERTAIN * size.max() / size).nan_to_num(0.0).clamp(max=1)
        else:
            found[name] = torch.zeros_like(parameter)
    return found
