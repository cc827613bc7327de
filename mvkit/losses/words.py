"""Masked language modelling: which words are hidden, and the loss of guessing them.

Papers: BERT, arXiv:1810.04805; with half of the words hidden, UMT, arXiv:2303.16058.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.models.wordpiece import SpecialWords

IGNORED = -100


def hide_words(
    ids: Tensor, special: SpecialWords, vocabulary: int, *, ratio: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """ids: (B, L) -> (ids with words hidden, labels: the word where one was chosen, else IGNORED).

    Each position that is neither padding nor the first token is chosen with probability `ratio`; the last token may be.
    Of those chosen 80 % become the mask token, 10 % any word of the vocabulary, special ones included, and the rest
    stay, as in the released code.
    """
    device = generator.device

    def chance(probability: float) -> Tensor:
        return (torch.rand(ids.shape, generator=generator, device=device) < probability).to(ids.device)

    chosen = chance(ratio) & (ids != special.pad) & (ids != special.first)
    masked = chance(0.8) & chosen
    replaced = chance(0.5) & chosen & ~masked
    words = torch.randint(vocabulary, ids.shape, generator=generator, device=device).to(ids)
    labels = ids.masked_fill(~chosen, IGNORED)
    return torch.where(replaced, words, ids.masked_fill(masked, special.mask)), labels


def word_loss(logits: Tensor, labels: Tensor, asked: Tensor | None = None) -> Tensor:
    """logits: (B, L, W), labels: (B, L) with IGNORED -> (), mean over the words asked for; 0 where none is.

    asked: how many to divide by, where these are a part of more; None counts them.
    """
    asked = (labels != IGNORED).sum() if asked is None else asked
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return total / asked.clamp(min=1)
