"""Does this caption belong to this clip? Pairs that nearly do, drawn as negatives, and the two-way loss on all of them.

Paper: UMT, arXiv:2303.16058, after ALBEF, arXiv:2107.07651.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.errors import ShapeError

SHIFT = 1e-4  # inside the softmax it changes nothing in exact numbers; the released code has it
FALLBACK = 0.01  # weight of whatever is not a number


def hard_weights(logits: Tensor, groups: Tensor) -> Tensor:
    """How likely each column is drawn as a negative of each row: softmax of similarity, 0 within a group -> (B, B).

    logits: (B, B) similarities over the temperature. groups: (B,) whole numbers; the same number belongs together.
    Raises ShapeError where a row has no negative: everything in the batch is of its group.
    """
    if logits.shape != (len(groups), len(groups)):
        raise ShapeError(f"logits must be ({len(groups)}, {len(groups)}) for these groups, got {tuple(logits.shape)}")
    together = groups[:, None] == groups
    if bool(together.all(1).any()):
        raise ShapeError("matching needs clips with another caption in every batch: make it larger, or mix the clips")
    weights = (logits.float() + SHIFT).softmax(1).masked_fill(together, 0)
    return torch.where(weights.isfinite(), weights, FALLBACK)


def draw(weights: Tensor, generator: torch.Generator) -> Tensor:
    """One column for each row -> (B,) long, drawn on the generator's device."""
    return torch.multinomial(weights.to(generator.device), 1, generator=generator)[:, 0].to(weights.device)


def draw_negatives(logits: Tensor, groups: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """logits: (B, B), row = clip -> for each caption another clip (B,), for each clip another caption (B,)."""
    clips = draw(hard_weights(logits.T, groups), generator)
    return clips, draw(hard_weights(logits, groups), generator)


def pairs(
    states: Tensor,
    words: Tensor,
    tokens: Tensor,
    clips: Tensor,
    captions: Tensor,
    *,
    pool: tuple[Tensor, Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """What a match head is asked, 3B each: those that belong together, captions with another clip, clips with another
    caption. pool: states, words and tokens of which `clips` and `captions` are numbers; None takes those given."""
    other_states, other_words, other_tokens = pool or (states, words, tokens)
    return (
        torch.cat([states, states, other_states[captions]]),
        torch.cat([words, words, other_words[captions]]),
        torch.cat([tokens, other_tokens[clips], tokens]),
    )


def matching_loss(logits: Tensor, pairs: int) -> Tensor:
    """logits: (3B, 2), the first `pairs` = B rows belong together, the rest do not -> (), mean over all rows."""
    wanted = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    wanted[:pairs] = 1
    return F.cross_entropy(logits.float(), wanted)
