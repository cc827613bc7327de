"""Attentive probe: one learned query looks at the tokens of a frozen encoder, and a linear head at what it saw.

It finds what the mean over tokens loses, and is how encoders whose tokens are never averaged in pre-training are
scored. Tokens are computed once; only query, attention and head are trained.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.layers import AttentionPoolLatent
from torch import Tensor, nn

from mvkit.errors import OptionError, ShapeError
from mvkit.models.block import NORM_EPS
from mvkit.train.optim import adamw, parameter_groups, set_rate
from mvkit.train.schedule import warmup_cosine
from mvkit.train.seed import derive, generator


class AttentiveProbe(nn.Module):
    """tokens: (B, N, D) -> logits (B, classes).

    Cross-attention of one query over all tokens, an MLP with a residual, norm, linear head: V-JEPA, arXiv:2404.08471,
    after CAE, arXiv:2202.03026. Differs: every channel is first standardised by `mean` and `std`, both (D,), so that
    one learning rate serves encoders whose tokens differ in scale.
    Raises ShapeError if heads do not divide D.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, classes: int, *, heads: int = 4) -> None:
        super().__init__()
        width = len(mean)
        if width % heads:
            raise ShapeError(f"tokens of width {width} do not divide into {heads} heads; pass heads=")
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.pool = AttentionPoolLatent(width, num_heads=heads, norm_layer=nn.LayerNorm)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.pool((tokens.float() - self.mean) / self.std)))


def fit_attentive(
    tokens: Tensor,
    labels: Tensor,
    *,
    classes: int | None = None,
    heads: int = 4,
    epochs: int = 20,
    batch: int = 32,
    lr: float = 3e-3,
    weight_decay: float = 0.01,
    seed: int = 0,
) -> AttentiveProbe:
    """tokens: (n, N, D), labels: (n,) -> a probe in eval mode, trained where the tokens are; the same for a seed.

    lr: at the peak of a cosine, warm-up over the first tenth. The default is for a few hundred clips: on 256 of
    moving_shapes 0.001, which V-JEPA uses on Kinetics, had not converged in 20 epochs.
    Raises OptionError without clips or epochs, ShapeError for other sizes.
    """
    if tokens.ndim != 3 or labels.shape != tokens.shape[:1]:
        raise ShapeError(
            f"wanted tokens (n, N, D) and labels (n,), got {tuple(tokens.shape)} and {tuple(labels.shape)}"
        )
    if not len(tokens) or min(epochs, batch) < 1:
        raise OptionError(f"wanted at least one clip, epoch and clip a batch, got {len(tokens)}, {epochs}, {batch}")
    mean, std = _statistics(tokens)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "attentive"))
        probe = AttentiveProbe(mean, std, classes or int(labels.max()) + 1, heads=heads)
    probe = probe.to(tokens.device).train()
    optimiser = adamw(parameter_groups(probe, weight_decay), betas=(0.9, 0.999))
    per_epoch = -(-len(tokens) // batch)
    steps = epochs * per_epoch
    for epoch in range(epochs):
        order = torch.randperm(len(tokens), generator=generator(seed, "attentive", epoch))
        for place, ids in enumerate(order.split(batch)):
            step = epoch * per_epoch + place
            set_rate(optimiser, warmup_cosine(step, steps=steps, base=lr, warmup=steps // 10))
            loss = F.cross_entropy(probe(tokens[ids]), labels[ids].to(tokens.device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    return probe.eval()


def attentive_accuracy(
    train: Tensor, labels: Tensor, test: Tensor, wanted: Tensor, *, heads: int = 4, epochs: int = 20, seed: int = 0
) -> float:
    """Share of `test` that `attentive_predict` names as wanted (m,), 0 to 1."""
    said = attentive_predict(train, labels, test, heads=heads, epochs=epochs, seed=seed)
    return float((said == wanted).float().mean())


def attentive_predict(
    train: Tensor, labels: Tensor, test: Tensor, *, heads: int = 4, epochs: int = 20, seed: int = 0
) -> Tensor:
    """Labels (m,) that an attentive probe trained on `train` gives `test`.

    train: (n, N, D), labels: (n,), test: (m, N, D), as of `clip_tokens`.
    """
    probe = fit_attentive(train, labels, heads=heads, epochs=epochs, seed=seed)
    with torch.inference_mode():
        return torch.cat([probe(part).argmax(1).cpu() for part in test.split(256)])


def _statistics(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of every channel over clips and places; float64 sums, clip by clip: tokens may be float16."""
    total, squares = torch.zeros(2, tokens.shape[2], dtype=torch.float64, device=tokens.device)
    for clip in tokens:
        total += clip.double().sum(0)
        squares += clip.double().square().sum(0)
    mean = total / (tokens.shape[0] * tokens.shape[1])
    variance = squares / (tokens.shape[0] * tokens.shape[1]) - mean.square()
    return mean.float(), variance.clamp_min(0).sqrt().clamp_min(1e-6).float()
