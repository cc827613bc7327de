"""Clips and texts as a run of stage 2 encodes them: what its match head looks at, and the vectors that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mvkit.eval.opened import View
from mvkit.methods.umt_vl import UmtVl, similarities


@dataclass(frozen=True)
class EncodedClips:
    """tokens: (n, V, D), of whole clips. vectors: (n, s, E), one for each step, of length 1."""

    tokens: Tensor
    vectors: Tensor


@dataclass(frozen=True)
class EncodedTexts:
    """states: (m, L, D), words: (m, L) mask. vectors: (m, E), of length 1."""

    states: Tensor
    words: Tensor
    vectors: Tensor

    def cosines(self, clips: EncodedClips) -> Tensor:
        """(n, m): the mean over a clip's steps."""
        return similarities(clips.vectors, self.vectors)


@torch.no_grad()
def encode_clips(method: UmtVl, pixels: Tensor, view: View, *, batch: int = 32) -> EncodedClips:
    """pixels: (n, 3, T, H, W) uint8, seen through a view, no token hidden; on the method's device."""
    device = method.temperature.device
    seen = [method.see(view(part.to(device)).float() / 255) for part in pixels.split(batch)]
    return EncodedClips(torch.cat([s.tokens for s in seen]), torch.cat([method.embed(s.pooled) for s in seen]))


@torch.no_grad()
def encode_texts(method: UmtVl, texts: Sequence[str]) -> EncodedTexts:
    """All texts at once, padded to the longest."""
    ids, words = (part.to(method.temperature.device) for part in method.tokenizer(texts))
    states = torch.cat([method.text.read(*part) for part in zip(ids.split(256), words.split(256), strict=True)])
    return EncodedTexts(states, words, method.embed_text(states))
