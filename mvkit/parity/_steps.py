"""What the checks of one training step share: clips as this kit takes them, masks, gradients, transfer."""

from collections.abc import Callable, Iterator

import torch
from einops import rearrange
from torch import Tensor, nn

from mvkit.maskers.base import TokenMask
from mvkit.models.classifier import VideoClassifier
from mvkit.models.vit import VideoViT
from mvkit.parity._networks import State
from mvkit.parity.recording import GroupResult, Recording
from mvkit.tokens import TokenGrid


def clips_of(video: Tensor, encoder: VideoViT) -> Tensor:
    """Recorded clips are normalised already; ours are [0, 1] at the border, and may lie outside of it here."""
    shape = (len(encoder.mean), 1, 1, 1)
    return video * encoder.std.view(shape) + encoder.mean.view(shape)


def kept_first(order: Tensor, keep: int, grid: TokenGrid) -> TokenMask:
    """order: (B*t, h*w), places of each step in the order drawn; the first `keep` stay visible."""
    places = rearrange(order, "(b t) n -> b t n", t=grid.t)[..., :keep] + torch.arange(grid.t)[:, None] * grid.places
    return TokenMask.from_visible(places.flatten(1), grid)


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


def transfer(recording: Recording, clips: Tensor, encoder: Callable[[Tensor], VideoViT]) -> Iterator[GroupResult]:
    """Features of a fine-tuning model on an encoder made for such clips; the longer one is the first, then reversed."""
    longer = torch.cat([clips[:1], clips[:1].flip(2)], dim=2)
    for name, view in (("transfer.features", clips), ("transfer.features_longer_clip", longer)):
        if name in recording:
            with torch.no_grad():
                features = VideoClassifier(encoder(view), classes=2).features(view)
            yield recording.compare(name, features, recording[name])


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
