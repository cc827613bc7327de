"""Masking again inside attention: each row keeps its strongest keys, renormalised, and sums their values.

Paper: MaskAgain (ACM MM 2023, "Mask Again: Masked Knowledge Distillation for Masked Video Modeling").
"""

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor

from mvkit.errors import OptionError, unknown
from mvkit.models.block import AttentionHeads

VALUE_ORDERS = ("strided", "frame")


class Remasked(NamedTuple):
    """prob: softmax over the keys of a row. kept: bool, which of them are kept. mass: sum of the kept prob.
    summed: (..., d), values weighted by the kept prob over mass."""

    prob: Tensor
    kept: Tensor
    mass: Tensor
    summed: Tensor


def keep_top(scores: Tensor, k: int) -> Tensor:
    """scores: (..., n) -> bool (..., n), True where a score is at least the k-th largest of its row; a tie keeps more.

    Raises OptionError unless 1 <= k <= n.
    """
    if not 1 <= k <= scores.shape[-1]:
        raise OptionError(f"k={k} of {scores.shape[-1]} cannot be kept: choose 1 to {scores.shape[-1]}")
    return scores >= scores.topk(k, dim=-1).values[..., -1:]


def remask_global(heads: AttentionHeads, k: int, *, temperature: float = 1.0) -> Remasked:
    """One row over all keys. heads: of V tokens -> prob, kept (B, heads, V, V), mass (B, heads, V), summed
    (B, heads, V, d)."""
    prob = (heads.logits / temperature).softmax(-1)
    kept = keep_top(prob, k)
    weights = prob * kept
    mass = weights.sum(-1)
    return Remasked(prob, kept, mass, (weights @ heads.values.float()) / mass[..., None])


def remask_local(
    heads: AttentionHeads, k: int, *, steps: int, temperature: float = 1.0, value_order: str = "strided"
) -> Remasked:
    """One row for each step: a softmax of its own over the n = V / steps visible tokens of that step.

    prob, kept: (B, heads, V, steps, n), mass (B, heads, V, steps), summed (B, heads, V, steps, d).
    value_order: "frame" weighs the values of that step's own tokens. "strided" is what the released code computes: the
    weight of token d of step f goes to the value of visible token d * steps + f, mostly one of another step.
    Raises OptionError for another order, or tokens that do not divide into the steps.
    """
    if value_order not in VALUE_ORDERS:
        raise OptionError(unknown("value order", value_order, VALUE_ORDERS))
    if heads.logits.shape[-1] % steps:
        raise OptionError(f"{heads.logits.shape[-1]} visible tokens do not divide into {steps} steps: use a tube mask")
    logits = rearrange(heads.logits / temperature, "b c i (f d) -> b c i f d", f=steps)
    prob = logits.softmax(-1)
    kept = keep_top(prob, k)
    weights = prob * kept
    mass = weights.sum(-1)
    pattern = "b c (d f) e -> b c f d e" if value_order == "strided" else "b c (f d) e -> b c f d e"
    values = rearrange(heads.values.float(), pattern, f=steps)
    return Remasked(prob, kept, mass, torch.einsum("bcifd,bcfde->bcife", weights, values) / mass[..., None])
