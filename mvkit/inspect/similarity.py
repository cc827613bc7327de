"""Do features follow what moves, or do they stay where they are? Similarity of tokens across the steps of a clip.

Features are centred by the clip's mean first (`centred=True`): uncentred ones of masked pre-training are nearly all
alike, and every picture of them is empty. Three matrices of steps are given because they differ: *pooled* compares mean
features, *aligned* the same place in two steps, *matched* each token with its best match in the other step.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.errors import OptionError, ShapeError, unknown
from mvkit.tokens import TokenGrid

MATRICES = ("aligned", "matched", "pooled")


def unit_features(tokens: Tensor, grid: TokenGrid, *, centred: bool = True) -> Tensor:
    """tokens: (B, N, D) -> (B, t, h*w, D) float32 of length 1, less the clip's mean feature if centred.

    A feature without length after centring stays 0, so its similarities are 0. Raises ShapeError.
    """
    _check(tokens, grid)
    features = tokens.float()
    if centred:
        features = features - features.mean(1, keepdim=True)
    return F.normalize(features, dim=-1).unflatten(1, (grid.t, grid.places))


def query_map(tokens: Tensor, grid: TokenGrid, query: tuple[int, int, int], *, centred: bool = True) -> Tensor:
    """Cosine of one token (t, y, x) with every token of its clip: (B, t, h, w) in [-1, 1]. Raises ShapeError."""
    features = unit_features(tokens, grid, centred=centred).flatten(1, 2)  # (B, N, D)
    asked = features[:, grid.index(*query)]
    return torch.einsum("bnd,bd->bn", features, asked).unflatten(1, grid.shape)


def peaks(maps: Tensor) -> Tensor:
    """maps: (B, t, h, w) -> (B, t, 2) long, the (y, x) of the best match in each step; the first one where tied."""
    best = maps.flatten(2).argmax(-1)
    return torch.stack([best // maps.shape[-1], best % maps.shape[-1]], dim=-1)


def frame_matrix(tokens: Tensor, grid: TokenGrid, *, kind: str = "aligned", centred: bool = True) -> Tensor:
    """How alike two steps are: (B, t, t) in [-1, 1]; entry (a, b) looks from step a at step b.

    kind: "pooled" cos of the mean features; "aligned" mean over places of cos at the same place; "matched" mean over
    the tokens of a of their best cos in b (not symmetric). The diagonal is 1 but for features without length.
    Raises OptionError, ShapeError.
    """
    if kind not in MATRICES:
        raise OptionError(unknown("kind of frame matrix", kind, MATRICES))
    _check(tokens, grid)
    if kind == "pooled":
        steps = tokens.float().unflatten(1, (grid.t, grid.places)).mean(2)  # (B, t, D)
        steps = unit_features(steps, TokenGrid(grid.t, 1, 1), centred=centred).squeeze(2)
        return steps @ steps.transpose(1, 2)
    features = unit_features(tokens, grid, centred=centred)  # (B, t, S, D)
    if kind == "aligned":
        return torch.einsum("basd,bcsd->bac", features, features) / grid.places
    # One clip at a time: (t*S)^2 cosines are 10 MB a clip at 8x14x14.
    rows = [torch.einsum("asd,czd->acsz", clip, clip).amax(-1).mean(-1) for clip in features]
    return torch.stack(rows)


def lag_curve(matrix: Tensor) -> Tensor:
    """matrix: (B, t, t) -> (B, t), the mean similarity of steps 0, 1, ... t-1 apart."""
    t = matrix.shape[-1]
    both = (matrix + matrix.transpose(1, 2)) / 2
    return torch.stack([both.diagonal(lag, 1, 2).mean(-1) for lag in range(t)], dim=-1)


def off_diagonal(matrix: Tensor) -> Tensor:
    """matrix: (B, t, t) -> (B,), the mean similarity of two different steps; NaN for a single step."""
    t = matrix.shape[-1]
    apart = ~torch.eye(t, dtype=torch.bool, device=matrix.device)
    return matrix[:, apart].mean(-1)


def lag_slope(matrix: Tensor) -> Tensor:
    """matrix: (B, t, t) -> (B,), least-squares change of similarity for each step apart, over all pairs of different
    steps; NaN for fewer than three steps. Near 0: features constant in time, or a shuffled clip."""
    t = matrix.shape[-1]
    step = torch.arange(t, device=matrix.device)
    lag = (step[:, None] - step).abs()
    apart = lag > 0
    x = lag[apart].float()
    x = x - x.mean()
    y = matrix[:, apart]
    return (x * (y - y.mean(-1, keepdim=True))).sum(-1) / x.square().sum().where(x.square().sum() > 0, torch.nan)


def shuffle_control(matrix: Tensor, *, generator: torch.Generator, draws: int = 64) -> Tensor:
    """The lag curve with the order of the steps forgotten, averaged over `draws` orders: (B, t); flat after lag 0.

    What a lag curve shows beyond this is order in time.
    """
    t = matrix.shape[-1]
    total = torch.zeros(matrix.shape[:2], device=matrix.device)
    for _ in range(draws):
        order = torch.randperm(t, generator=generator, device=generator.device).to(matrix.device)
        total += lag_curve(matrix[:, order][:, :, order])
    return total / draws


def static_clip(clips: Tensor) -> Tensor:
    """Every frame replaced by the middle one: (B, 3, T, H, W). Features that still change over time come from the
    positions the model was told, not from anything in the clip."""
    return clips[:, :, clips.shape[2] // 2, None].expand_as(clips).clone()


def _check(tokens: Tensor, grid: TokenGrid) -> None:
    if tokens.ndim != 3 or tokens.shape[1] != grid.tokens:
        raise ShapeError(
            f"features must be (B, {grid.tokens}, D) for a {grid}, got {tuple(tokens.shape)}: encode without a mask"
        )
