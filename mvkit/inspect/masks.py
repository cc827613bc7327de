"""What a masking strategy does, in numbers: exactness, leakage, difficulty, shape, bias, diversity.

All are averages over a batch of masks; v = visible, m = hidden. Draw at least a few hundred masks before comparing
positional spread or Jaccard overlap between strategies: both carry sampling noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from mvkit.errors import ShapeError
from mvkit.maskers import TokenMask
from mvkit.maskers._flow import backward_flow


@dataclass(frozen=True)
class MaskProfiles:
    """What a table cannot show. Autocorrelations: index d is distance d, from 0 (always 1); nan if all m are equal."""

    visible_per_step: Tensor  # (t,) mean visible tokens of each step
    positional_map: Tensor  # (t, h, w) share of masks that hide the token
    rho_space: Tensor  # (min(h, w),) correlation of m at distance d along rows and columns
    rho_time: Tensor  # (t,) correlation of m at distance d in time


def mask_profiles(mask: TokenMask | Tensor) -> MaskProfiles:
    """Curves and maps of a batch of masks. mask: a TokenMask, or hidden tokens (B, t, h, w) bool with any counts."""
    hidden = _volume(mask)
    h = hidden.float()
    return MaskProfiles(
        visible_per_step=(1 - h).sum((2, 3)).mean(0),
        positional_map=h.mean(0),
        rho_space=_autocorrelation(h, (3, 2), min(h.shape[2:])),
        rho_time=_autocorrelation(h, (1,), h.shape[1]),
    )


def mask_statistics(
    mask: TokenMask | Tensor,
    *,
    flow: Tensor | None = None,
    motion: Tensor | None = None,
    saliency: Tensor | None = None,
) -> dict[str, float]:
    """Statistics of a batch of masks, by name; nan where one is undefined (no hidden token, no visible one, t = 1).

    mask: a TokenMask, or hidden tokens (B, t, h, w) bool with any counts. flow: (B, t-1, h, w, 2), the (x, y)
    displacement in tokens from step k to k+1. motion, saliency: (B, N) or (B, t, h*w) or (B, t, h, w), not negative.

    ratio            share of tokens hidden
    count_min/max    hidden tokens of a clip
    step_min/max     visible tokens of a step
    place_leak       P(same place visible in a neighbouring step | hidden)
    place_leak_any   P(same place visible in any step | hidden)
    place_leak_3x3   P(a place of the 3x3 around visible in a neighbouring step | hidden)
    trajectory_leak  P(its place after or before moving with the flow is visible in that step | hidden)  [flow]
    border           P(a 4-neighbour in its own step visible | hidden)
    visible_distance mean Chebyshev distance from a hidden token to the nearest visible one of its step, if any
    blind            share of steps without a visible token
    rho_space/time   correlation of m between neighbours in the plane / in time
    visible_clump    size of the 4-connected visible region around a visible token, mean over steps that have one
    hidden_clump     the same for hidden tokens
    place_spread     max - min over places of P(hidden), averaged over steps: the positional bias
    step_spread      max - min over steps of P(hidden), averaged over places
    jaccard          mean overlap of the visible sets of two clips, |both| / |either|
    jaccard_chance   the same if tokens were drawn at random
    flip_rate        P(a place changes between hidden and visible from one step to the next)
    motion_lift      share of motion that is visible / share of tokens visible; 1 = chance  [motion]
    saliency_lift    the same for saliency  [saliency]
    """
    hidden = _volume(mask)
    h, v = hidden.float(), ~hidden
    visible = (v.sum((1, 2, 3)), v.sum((2, 3)))
    tokens, profiles = hidden[0].numel(), mask_profiles(hidden)
    ahead = _neighbours(v)
    keep = 1 - float(h.mean())
    stats = {
        "ratio": float(h.mean()),
        "count_min": float(tokens - visible[0].max()),
        "count_max": float(tokens - visible[0].min()),
        "step_min": float(visible[1].min()),
        "step_max": float(visible[1].max()),
        "place_leak": _given(ahead, hidden),
        "place_leak_any": _given(v.any(1, keepdim=True).expand_as(v), hidden),
        "place_leak_3x3": _given(_grown(ahead, "square"), hidden),
        "border": _given(_grown(v, "cross"), hidden),
        "visible_distance": _distance(v),
        "blind": float((visible[1] == 0).float().mean()),
        "rho_space": _second(profiles.rho_space),
        "rho_time": _second(profiles.rho_time),
        "visible_clump": _clump(v),
        "hidden_clump": _clump(hidden),
        **mask_variety(hidden),
        "flip_rate": float((hidden[:, 1:] != hidden[:, :-1]).float().mean()),
    }
    if flow is not None:
        stats["trajectory_leak"] = trajectory_leak(hidden, flow)
    for name, weight in (("motion_lift", motion), ("saliency_lift", saliency)):
        if weight is not None:
            weight = weight.to(h.device).reshape(hidden.shape)
            stats[name] = float((weight * v).sum() / weight.sum()) / keep if keep else float("nan")
    return stats


def mask_variety(mask: TokenMask | Tensor) -> dict[str, float]:
    """What no single mask tells: place_spread, step_spread, jaccard and jaccard_chance of `mask_statistics`.

    A tenth of its cost, for where masks are drawn again at every move of a slider.
    """
    hidden = _volume(mask)
    often = hidden.float().mean(0)
    place, step, keep = often.mean(0), often.mean((1, 2)), 1 - float(hidden.float().mean())
    return {
        "place_spread": float(place.max() - place.min()),
        "step_spread": float(step.max() - step.min()),
        "jaccard": _jaccard(~hidden),
        "jaccard_chance": keep / (2 - keep),
    }


def trajectory_leak(hidden: Tensor, flow: Tensor, *, among: Tensor | None = None, wrap: bool = False) -> float:
    """P(a hidden token is visible where the flow takes it, one step later or one step before).

    hidden: (B, t, h, w) bool. flow: (B, t-1, h, w, 2). among: (B, t, h, w) bool, count these tokens only (an object).
    wrap: tokens that leave the plane come in on the other side; without it they leak nothing.
    """
    if flow.shape != (len(hidden), hidden.shape[1] - 1, *hidden.shape[2:], 2):
        raise ShapeError(f"flow must be (B, t-1, h, w, 2) for masks {tuple(hidden.shape)}, got {tuple(flow.shape)}")
    flow = flow.to(hidden.device)
    back, known = backward_flow(flow, wrap=wrap)
    leak = torch.zeros_like(hidden)
    leak[:, :-1] |= _moved(~hidden[:, 1:], flow, wrap)
    leak[:, 1:] |= _moved(~hidden[:, :-1], back, wrap) & known
    return _given(leak, hidden if among is None else hidden & among)


def _volume(mask: TokenMask | Tensor) -> Tensor:
    hidden = mask.volume() if isinstance(mask, TokenMask) else mask
    if hidden.ndim != 4 or hidden.dtype != torch.bool or not len(hidden):
        raise ShapeError(
            f"masks must be a TokenMask or hidden tokens (B, t, h, w) bool, got {hidden.dtype} {tuple(hidden.shape)}"
        )
    return hidden


def _given(event: Tensor, condition: Tensor) -> float:
    """P(event | condition), nan where the condition never holds."""
    return float((event & condition).sum() / condition.sum())


def _neighbours(v: Tensor) -> Tensor:
    """True where the same place is True in the step before or after."""
    padded = F.pad(v, (0, 0, 0, 0, 1, 1))
    return padded[:, :-2] | padded[:, 2:]


def _grown(v: Tensor, shape: str) -> Tensor:
    """True where a token or a neighbour of it in its step is True: the 3x3 square, or the cross of 4."""
    rows = F.pad(v, (0, 0, 1, 1))
    tall = rows[..., :-2, :] | v | rows[..., 2:, :]
    base = tall if shape == "square" else v
    columns = F.pad(base, (1, 1))
    return tall | columns[..., :-2] | base | columns[..., 2:]


def _distance(v: Tensor) -> float:
    some = v.any(3).any(2)[:, :, None, None]
    unseen, total = ~v & some, 0
    while bool(unseen.any()):
        total += int(unseen.sum())
        unseen = unseen & ~_grown(~unseen & some, "square")
    hidden = int((~v & some).sum())
    return total / hidden if hidden else float("nan")


def _autocorrelation(m: Tensor, axes: Sequence[int], length: int) -> Tensor:
    """Mean over the axes of E[(m - r)(m' - r)] / (r(1 - r)) over the pairs at distance d that lie in the grid."""
    centred = m - m.mean()
    values = []
    for d in range(length):
        pairs = [(centred.narrow(a, 0, m.shape[a] - d) * centred.narrow(a, d, m.shape[a] - d)).mean() for a in axes]
        values.append(torch.stack(pairs).mean())
    return torch.stack(values) / (m.mean() * (1 - m.mean()))


def _second(rho: Tensor) -> float:
    return float(rho[1]) if len(rho) > 1 else float("nan")


def _clump(v: Tensor) -> float:
    """Mean over steps that hold any of the size-weighted mean size of 4-connected regions."""
    frames = v.flatten(0, 1).cpu().numpy()
    cross = np.zeros((3, 3, 3), dtype=bool)
    cross[1] = [[False, True, False], [True, True, True], [False, True, False]]
    labels: Any
    labels, _ = ndimage.label(frames, structure=cross)  # type: ignore[misc]
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    counts = frames.sum((1, 2))
    means = sizes[labels].sum((1, 2))[counts > 0] / counts[counts > 0]
    return float(means.mean()) if len(means) else float("nan")


def _jaccard(v: Tensor) -> float:
    if len(v) < 2:
        return float("nan")
    a = v.flatten(1)
    overlaps = []
    for shift in range(1, min(len(v), 5)):
        b = a.roll(shift, 0)
        overlaps.append(((a & b).sum(1) / (a | b).sum(1)).mean())
    return float(torch.stack(overlaps).mean())


def _moved(v: Tensor, flow: Tensor, wrap: bool) -> Tensor:
    """v at the place each token is displaced to, rounded to tokens. v: (B, k, h, w), flow: (B, k, h, w, 2)."""
    h, w = v.shape[2:]
    y = torch.arange(h, device=v.device)[:, None] + flow[..., 1].round().long()
    x = torch.arange(w, device=v.device) + flow[..., 0].round().long()
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    taken = v.flatten(2).gather(2, (y % h * w + x % w).flatten(2)).view_as(v)
    return taken if wrap else taken & inside
