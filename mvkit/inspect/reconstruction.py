"""Predicted pixels put back into clips, honestly, and what they must beat.

A model trained on normalised targets predicts each token's structure, not its mean and contrast. A picture then has to
take those from somewhere: from the true token ("oracle", as the official scripts do; PSNR then measures a gift) or from
the nearest visible tokens ("visible"). `honesty` says which in the words for a caption, and the trivial baselines show
what can be had without a model.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mvkit.errors import OptionError, ShapeError, unknown
from mvkit.losses.pixels import STD_EPS, pixel_statistics
from mvkit.maskers.base import TokenMask
from mvkit.tokens import patchify, unpatchify

STATISTICS = ("oracle", "visible")
NEIGHBOURS = 4  # visible tokens whose mean and contrast are averaged for a hidden one


def reconstruct(
    predictions: Tensor,
    mask: TokenMask,
    clips: Tensor,
    *,
    tubelet: int,
    patch: int,
    normalised: bool,
    statistics: str = "oracle",
) -> Tensor:
    """Predictions pasted on the visible pixels: (B, 3, T, H, W), not clipped to [0, 1].

    predictions: (B, M, P) for the hidden tokens, in the mask's order. clips: (B, 3, T, H, W) in [0, 1]. normalised:
    whether targets were normalised per token and channel. statistics: where mean and deviation of a hidden token then
    come from. Raises OptionError, ShapeError.
    """
    if statistics not in STATISTICS:
        raise OptionError(unknown("statistics", statistics, STATISTICS))
    pixels = patchify(clips, tubelet=tubelet, patch=patch)
    hidden = mask.hidden_part(pixels)
    if predictions.shape != hidden.shape:
        raise ShapeError(f"predictions {tuple(predictions.shape)} must be (B, M, P) = {tuple(hidden.shape)}")
    if normalised:
        mean, std = token_statistics(clips, mask, tubelet=tubelet, patch=patch, statistics=statistics)
        parts = predictions.unflatten(-1, (-1, mean.shape[-1]))
        predictions = (parts * (std + STD_EPS) + mean).flatten(-2)
    pasted = mask.scatter(mask.visible(pixels), predictions)
    return unpatchify(pasted, mask.grid, tubelet=tubelet, patch=patch)


def honesty(*, normalised: bool, statistics: str = "oracle") -> str:
    """The sentence a reconstruction's caption must carry. Raises OptionError."""
    if statistics not in STATISTICS:
        raise OptionError(unknown("statistics", statistics, STATISTICS))
    if not normalised:
        return "Raw-pixel model: colours and contrast of hidden tokens are predicted."
    if statistics == "oracle":
        return (
            "Normalised targets with oracle statistics: mean and contrast of hidden tokens are taken from the true "
            "clip, so PSNR says nothing about the model."
        )
    return (
        f"Normalised targets with visible-only statistics: mean and contrast of hidden tokens are interpolated from "
        f"the {NEIGHBOURS} nearest visible tokens."
    )


def token_statistics(
    clips: Tensor, mask: TokenMask, *, tubelet: int, patch: int, statistics: str
) -> tuple[Tensor, Tensor]:
    """Mean and deviation of hidden tokens by channel, (B, M, 1, 3) each, from the truth or from what is visible."""
    pixels = patchify(clips, tubelet=tubelet, patch=patch)
    if statistics == "oracle":
        return pixel_statistics(mask.hidden_part(pixels), channels=clips.shape[1])
    mean, std = pixel_statistics(mask.visible(pixels), channels=clips.shape[1])  # (B, V, 1, 3)
    ids, distance = nearest_visible(mask, neighbours=NEIGHBOURS)
    weight = 1 / distance  # a hidden token is never at distance 0 of a visible one
    weight = (weight / weight.sum(-1, keepdim=True))[..., None, None]  # (B, M, K, 1, 1)
    rows = torch.arange(len(ids), device=ids.device)[:, None, None]
    return (mean[rows, ids] * weight).sum(2), (std[rows, ids] * weight).sum(2)


def nearest_visible(mask: TokenMask, *, neighbours: int = 1) -> tuple[Tensor, Tensor]:
    """For each hidden token its nearest visible ones: numbers among the visible (B, M, K) and distances (B, M, K).

    Distance is Euclidean on the grid, one step of time counting as one token of space; ties go to the earlier token.
    K = min(neighbours, V). Raises ShapeError where nothing is visible.
    """
    if not mask.visible_ids.shape[1]:
        raise ShapeError(f"{mask!r} shows nothing: there is no nearest visible token")
    grid = mask.grid
    tokens = torch.arange(grid.tokens, device=mask.hidden.device)
    t, y, x = tokens // grid.places, tokens % grid.places // grid.w, tokens % grid.w
    place = torch.stack([t, y, x], dim=-1).double()
    # One clip at a time: all pairs of a batch at 8x14x14 and ratio 0.9 would take 2 MB a clip in float64.
    found = [
        torch.cdist(place[hidden], place[visible]).sort(dim=-1, stable=True)
        for hidden, visible in zip(mask.hidden_ids, mask.visible_ids, strict=True)
    ]
    ids = torch.stack([order.indices[:, :neighbours] for order in found])
    return ids, torch.stack([order.values[:, :neighbours] for order in found]).float()


def mean_of_visible(mask: TokenMask, clips: Tensor, *, tubelet: int, patch: int) -> Tensor:
    """Trivial baseline: hidden pixels take the mean colour of the clip's visible pixels. (B, 3, T, H, W)."""
    pixels = patchify(clips, tubelet=tubelet, patch=patch)
    seen = mask.visible(pixels).unflatten(-1, (-1, clips.shape[1]))  # (B, V, P/3, 3)
    colour = seen.mean((1, 2), keepdim=True).expand(-1, mask.hidden_ids.shape[1], seen.shape[2], -1)
    return _pasted(mask, pixels, colour.flatten(-2), tubelet=tubelet, patch=patch)


def nearest_visible_token(mask: TokenMask, clips: Tensor, *, tubelet: int, patch: int) -> Tensor:
    """Trivial baseline: a hidden token is copied from the nearest visible one in space and time. (B, 3, T, H, W)."""
    pixels = patchify(clips, tubelet=tubelet, patch=patch)
    ids, _ = nearest_visible(mask)
    seen = mask.visible(pixels)
    copied = seen.gather(1, ids.expand(-1, -1, seen.shape[-1]))
    return _pasted(mask, pixels, copied, tubelet=tubelet, patch=patch)


def baselines(mask: TokenMask, clips: Tensor, *, tubelet: int, patch: int) -> Mapping[str, Tensor]:
    """Both baselines a reconstruction must beat, by the name a figure prints."""
    return {
        "nearest visible token": nearest_visible_token(mask, clips, tubelet=tubelet, patch=patch),
        "mean of visible pixels": mean_of_visible(mask, clips, tubelet=tubelet, patch=patch),
    }


def scores(rebuilt: Tensor, clips: Tensor, mask: TokenMask, *, tubelet: int, patch: int) -> dict[str, Tensor]:
    """Over hidden pixels only, `rebuilt` clipped to [0, 1]: `mse` (B,) and `psnr` (B,) in dB. Raises ShapeError."""
    if rebuilt.shape != clips.shape or not mask.hidden_ids.shape[1]:
        raise ShapeError(f"scores needs clips of one shape and hidden tokens, got {tuple(rebuilt.shape)} for {mask!r}")
    square = patchify((rebuilt.clamp(0, 1) - clips).square(), tubelet=tubelet, patch=patch)
    mse = mask.hidden_part(square).mean((1, 2))
    return {"mse": mse, "psnr": -10 * mse.clamp_min(1e-12).log10()}


def structure(predictions: Tensor, targets: Tensor) -> Tensor:
    """Correlation of prediction and target within each hidden token and channel, averaged: (B,) in [-1, 1].

    predictions, targets: (B, M, P), normalised or not; the score ignores mean and contrast either way, so it is what
    a model with normalised targets is judged by. Tokens without any structure (one colour) are left out; NaN where
    a clip has no other.
    """
    if predictions.shape != targets.shape:
        raise ShapeError(f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)} must be the same")
    guess, truth = (part.double().unflatten(-1, (-1, 3)) for part in (predictions, targets))
    guess, truth = guess - guess.mean(-2, keepdim=True), truth - truth.mean(-2, keepdim=True)
    scale = guess.norm(dim=-2) * truth.norm(dim=-2)
    textured = truth.norm(dim=-2) > 1e-6
    value = torch.where(textured, (guess * truth).sum(-2) / scale.clamp_min(1e-12), torch.nan)
    return value.flatten(1).nanmean(1).float()


def _pasted(mask: TokenMask, pixels: Tensor, hidden: Tensor, *, tubelet: int, patch: int) -> Tensor:
    return unpatchify(mask.scatter(mask.visible(pixels), hidden), mask.grid, tubelet=tubelet, patch=patch)
