"""Where the words of a caption look in a clip, and what is guessed in place of hidden ones: of UMT's second stage.

The fusion layers run as they always do; queries and keys that enter their cross-attention are read in passing, and the
weights are an exact float32 softmax of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from mvkit.inspect.attention import fuse, on_grid
from mvkit.losses.words import IGNORED
from mvkit.maskers.base import TokenMask
from mvkit.methods.umt_vl import UmtVl


@torch.no_grad()
def word_attention(
    method: UmtVl, clips: Tensor, captions: Sequence[str], *, mask: TokenMask | None = None, heads: str | int = "mean"
) -> dict[int, Tensor]:
    """Layer of the text encoder, from 1 -> (B, L, t, h, w), or (B, heads, L, t, h, w) for heads="all".

    A map for each of the L pieces of a caption, as `method.tokenizer` makes them, ends and padding included: it sums to
    1 over the tokens the model sees, NaN where the mask hides. clips: (B, 3, T, H, W) in [0, 1]; captions: one each.
    heads: as `attention.fuse`. Raises OptionError.
    """
    ids, words = (part.to(clips.device) for part in method.tokenizer(captions))
    found: dict[int, Tensor] = {}
    layers: Any = method.text.layers
    hooks = [
        layers[number].crossattention.self.register_forward_pre_hook(
            partial(_keep, found, number + 1), with_kwargs=True
        )
        for number in range(method.text.shape.fusion, method.text.shape.depth)
    ]
    try:
        method.text(ids, words, method.see(clips, mask).tokens)
    finally:
        for hook in hooks:
            hook.remove()
    grid = method.encoder.grid_of(clips)
    return {number: on_grid(fuse(weights, heads), grid, mask) for number, weights in found.items()}


def _keep(found: dict[int, Tensor], number: int, cross: Any, inputs: tuple[Any, ...], given: dict[str, Any]) -> None:
    asked, seen = cross.query(inputs[0]), cross.key(given["encoder_hidden_states"])
    q, k = (rearrange(x.float(), "b n (h d) -> b h n d", h=cross.num_attention_heads) for x in (asked, seen))
    found[number] = (q * q.shape[-1] ** -0.5 @ k.mT).softmax(-1)


def pointedness(maps: Tensor) -> Tensor:
    """How far each map is from looking at every visible token alike: maps (..., t, h, w) -> (...), nats, 0 at least."""
    weights = maps.flatten(-3)
    seen = weights.isfinite().sum(-1, keepdim=True)
    return torch.special.xlogy(weights, weights * seen).nansum(-1)


@dataclass(frozen=True)
class Filled:
    """A caption whose words were hidden: its pieces, what was read in their places, and what was guessed, "" where
    nothing was asked."""

    words: tuple[str, ...]
    read: tuple[str, ...]
    guessed: tuple[str, ...]


def filled(method: UmtVl, found: Mapping[str, Tensor], guessed: Tensor | None = None) -> list[Filled]:
    """The captions of a step, without padding and the first token.

    found: artifacts of the method: ids, hidden_ids, labels, guessed, (B, L) each. guessed: other guesses, (B, L).
    """
    pieces, captions = method.tokenizer.pieces, []
    rows = (found["ids"], found["hidden_ids"], found["labels"], found["guessed"] if guessed is None else guessed)
    for ids, read, labels, guesses in zip(*(part.cpu() for part in rows), strict=True):
        there = slice(1, int((ids != method.tokenizer.special.pad).sum()))
        asked = (labels[there] != IGNORED).tolist()
        said = [word if ask else "" for word, ask in zip(pieces(guesses[there].tolist()), asked, strict=True)]
        captions.append(Filled(tuple(pieces(ids[there].tolist())), tuple(pieces(read[there].tolist())), tuple(said)))
    return captions
