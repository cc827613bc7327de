"""What the checks of one training step share: clips as this kit takes them, and gradients by official name."""

from collections.abc import Callable, Iterator, Mapping

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
    official = write({name: p.grad for name, p in module.named_parameters() if p.grad is not None})
    for name, wanted in recording.under(prefix).items():
        if name == "total_norm":
            yield recording.compare(f"{prefix}{name}", gradient_norm(module), wanted)
        elif name in official:
            yield recording.compare(f"{prefix}{name}", official[name].view_as(wanted), wanted)
        else:
            yield GroupResult(recording.name, f"{prefix}{name}", float("inf"), 0.0, "no such gradient here")


def gradient_norm(module: nn.Module) -> Tensor:
    """() the norm of all gradients that `module` holds."""
    return torch.stack([p.grad.norm() for p in module.parameters() if p.grad is not None]).norm()
