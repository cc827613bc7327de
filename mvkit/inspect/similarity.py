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
from mvkit.inspect.attention import on_grid, row_of
from mvkit.maskers.base import TokenMask
from mvkit.tokens import TokenGrid

MATRICES = ("aligned", "matched", "pooled")
ROUNDING = 1e-5  # of the largest feature


def unit_features(tokens: Tensor, grid: TokenGrid, *, mask: TokenMask | None = None, centred: bool = True) -> Tensor:
    """tokens: (B, N, D), or (B, V, D) of the visible ones -> (B, t, h*w, D) float32 of length 1, NaN where hidden.

    centred: less the mean feature of the clip's visible tokens. A feature without length after that stays 0, so its
    similarities are 0. Raises ShapeError.
    """
    features = _features(tokens, grid, mask, centred)
    return _placed(F.normalize(features, dim=-1), grid, mask).unflatten(1, (grid.t, grid.places))


def query_map(
    tokens: Tensor,
    grid: TokenGrid,
    query: tuple[int, int, int],
    *,
    mask: TokenMask | None = None,
    centred: bool = True,
) -> Tensor:
    """Cosine of one token (t, y, x) with every token of its clip: (B, t, h, w) in [-1, 1], NaN where hidden.

    Raises ShapeError, MaskError if the query is hidden in some clip.
    """
    row = row_of(query, grid, mask, len(tokens)).to(tokens.device)
    features = F.normalize(_features(tokens, grid, mask, centred), dim=-1)  # (B, V, D)
    asked = features[torch.arange(len(row), device=row.device), row]
    return on_grid(torch.einsum("bnd,bd->bn", features, asked), grid, mask)


def frame_matrix(
    tokens: Tensor, grid: TokenGrid, *, kind: str = "aligned", mask: TokenMask | None = None, centred: bool = True
) -> Tensor:
    """How alike two steps are: (B, t, t) in [-1, 1]; entry (a, b) looks from step a at step b.

    kind: "pooled" cos of the mean features, which sum to 0 over the steps once centred, so that they repel each other,
    and are 0 where all steps are equal; "aligned" mean over places of cos at the same place; "matched" mean over
    the tokens of a of their best cos in b (not symmetric). The diagonal is 1 but for features without length. Under a
    mask only visible tokens count, in "aligned" places visible in both steps; NaN where there is none.
    Raises OptionError, ShapeError.
    """
    if kind not in MATRICES:
        raise OptionError(unknown("kind of frame matrix", kind, MATRICES))
    if kind == "pooled":
        steps = _placed(_features(tokens, grid, mask, centred), grid, mask)
        steps = steps.unflatten(1, (grid.t, grid.places)).nanmean(2)  # (B, t, D)
        # What is left of equal steps after centring is rounding, and has no direction.
        nothing = steps.norm(dim=-1, keepdim=True) <= ROUNDING * tokens.float().norm(dim=-1).amax(1)[:, None, None]
        steps = F.normalize(steps.masked_fill(nothing, 0), dim=-1)
        return steps @ steps.transpose(1, 2)
    features = unit_features(tokens, grid, mask=mask, centred=centred)  # (B, t, S, D)
    seen = ~features[..., 0].isnan()
    features = features.nan_to_num()
    if kind == "aligned":
        shared = torch.einsum("bas,bcs->bac", seen.float(), seen.float())
        # Place by place first: one float32 sum over all 75,000 products of 14x14 places is off by 2e-5.
        return torch.einsum("basd,bcsd->bacs", features, features).sum(-1) / shared
    # One clip at a time: (t*S)^2 cosines are 10 MB a clip at 8x14x14.
    rows = []
    for clip, there in zip(features, seen, strict=True):
        cosines = torch.einsum("asd,czd->acsz", clip, clip).masked_fill(~there[None, :, None], -torch.inf).amax(-1)
        from_a = there[:, None].expand_as(cosines)  # (a, c, s)
        rows.append((cosines.where(from_a, 0).sum(-1) / from_a.sum(-1)).where(there.any(-1), torch.nan))
    return torch.stack(rows)


def lag_curve(matrix: Tensor) -> Tensor:
    """matrix: (B, t, t) -> (B, t), the mean similarity of steps 0, 1, ... t-1 apart; NaN pairs are left out."""
    t = matrix.shape[-1]
    both = (matrix + matrix.transpose(1, 2)) / 2
    return torch.stack([both.diagonal(lag, 1, 2).nanmean(-1) for lag in range(t)], dim=-1)


def off_diagonal(matrix: Tensor) -> Tensor:
    """matrix: (B, t, t) -> (B,), the mean similarity of two different steps; NaN for a single step, and pairs that are
    NaN are left out."""
    t = matrix.shape[-1]
    apart = ~torch.eye(t, dtype=torch.bool, device=matrix.device)
    return matrix[:, apart].nanmean(-1)


def lag_slope(matrix: Tensor) -> Tensor:
    """matrix: (B, t, t) -> (B,), least-squares change of similarity for each step apart, over all pairs of different
    steps that are not NaN; NaN for fewer than three steps. Near 0: features constant in time, or a shuffled clip."""
    t = matrix.shape[-1]
    step = torch.arange(t, device=matrix.device)
    lag = (step[:, None] - step).abs()
    apart = lag > 0
    y = matrix[:, apart]
    x = lag[apart].float().expand_as(y).where(~y.isnan(), torch.nan)
    x, y = x - x.nanmean(-1, keepdim=True), y - y.nanmean(-1, keepdim=True)
    spread = x.square().nansum(-1)
    return (x * y).nansum(-1) / spread.where(spread > 0, torch.nan)


def shuffle_control(matrix: Tensor, *, generator: torch.Generator, draws: int = 64) -> Tensor:
    """The lag curve with the order of the steps forgotten, averaged over `draws` orders: (B, t); flat after lag 0.

    What a lag curve shows beyond this is order in time. For what an encoder makes of another order, see
    `shuffled_clip`.
    """
    t = matrix.shape[-1]
    total = torch.zeros(matrix.shape[:2], device=matrix.device)
    for _ in range(draws):
        order = torch.randperm(t, generator=generator, device=generator.device).to(matrix.device)
        total += lag_curve(matrix[:, order][:, :, order])
    return total / draws


def shuffled_clip(clips: Tensor, *, generator: torch.Generator, tubelet: int = 1) -> Tensor:
    """The steps of every clip (B, 3, T, H, W) in an order of its own; frames of a tubelet stay together.

    The lag curve of an image encoder, averaged over many clips, must flatten. Where a video encoder's still falls, that
    comes from the positions it was told and from looking at other steps. Raises ShapeError where tubelets do not divide
    the frames.
    """
    frames = clips.shape[2]
    if frames % tubelet:
        raise ShapeError(f"{frames} frames do not divide into tubelets of {tubelet}")
    draws = torch.rand(len(clips), frames // tubelet, generator=generator, device=generator.device)
    order = draws.argsort(1).to(clips.device)
    steps = clips.unflatten(2, (-1, tubelet))
    return torch.stack([clip[:, own] for clip, own in zip(steps, order, strict=True)]).flatten(2, 3)


def static_clip(clips: Tensor) -> Tensor:
    """Every frame replaced by the middle one: (B, 3, T, H, W). Features that still change over time come from the
    positions the model was told, not from anything in the clip."""
    return clips[:, :, clips.shape[2] // 2, None].expand_as(clips).clone()


def _features(tokens: Tensor, grid: TokenGrid, mask: TokenMask | None, centred: bool) -> Tensor:
    """tokens -> float32, less their clip's mean if centred."""
    count = grid.tokens if mask is None else mask.visible_ids.shape[1]
    if tokens.ndim != 3 or tokens.shape[1] != count:
        repair = "encode without a mask, or pass the mask" if mask is None else "pass the mask they were encoded with"
        raise ShapeError(f"features must be (B, {count}, D) for a {grid}, got {tuple(tokens.shape)}: {repair}")
    features = tokens.float()
    return features - features.mean(1, keepdim=True) if centred else features


def _placed(features: Tensor, grid: TokenGrid, mask: TokenMask | None) -> Tensor:
    """features: (B, V, D) -> (B, N, D), NaN where hidden."""
    return features if mask is None else mask.scatter(features, torch.nan)
