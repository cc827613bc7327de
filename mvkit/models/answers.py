"""Questions about clips, answered in words: a decoder that says how likely an answer is, word by word.

Paper: UMT, arXiv:2303.16058, after ALBEF, arXiv:2107.07651. The question is read with the clip in view by all layers of
the text encoder; the decoder has as many layers as that one has fusion layers, and looks at the question's states.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvkit.errors import ShapeError
from mvkit.models.bert import BertShape, FusionBert, WordHead
from mvkit.models.vit import VideoViT

CANDIDATES = 128


@dataclass(frozen=True)
class Ranked:
    """The k most likely of a list of answers for each question, best first: ids (Q, k) into the list, and how likely
    each is among these k (Q, k)."""

    ids: Tensor
    probabilities: Tensor


class AnswerDecoder(nn.Module):
    """Words of an answer, each from those before it and a question's states.

    shape: of the question's text encoder; the decoder has its fusion layers' size and number. states_width: of what it
    looks at; in the released code it must equal the video encoder's.
    """

    def __init__(
        self, shape: BertShape, *, vocabulary: int, states_width: int, dropout: float = 0.0, pad: int = 0
    ) -> None:
        super().__init__()
        own = replace(shape, depth=shape.depth - shape.fusion, fusion=0)
        self.pad = pad
        self.text = FusionBert(
            own, vocabulary=vocabulary, visual_width=states_width, causal=True, dropout=dropout, pad=pad
        )
        self.words = WordHead(own, vocabulary)

    def forward(self, ids: Tensor, mask: Tensor, states: Tensor, states_mask: Tensor) -> Tensor:
        """ids, mask: (A, L) answers; states: (A, M, D) of their questions, states_mask: (A, M) -> logits (A, L, W)."""
        fused = self.text(ids, mask, states, states_mask)
        return self.words(fused, self.text.embeddings.word_embeddings.weight)

    def losses(self, logits: Tensor, ids: Tensor) -> Tensor:
        """logits of answers and their ids -> (A,), summed over the words after the first; padding does not count."""
        said, wanted = logits[:, :-1].transpose(1, 2).float(), ids[:, 1:]
        return F.cross_entropy(said, wanted, ignore_index=self.pad, reduction="none").sum(1)


class VideoQA(nn.Module):
    """Clips and questions in, a ranking of answers out.

    encoder: sees whole clips. text: reads questions and fuses them with tokens. decoder: of answers.
    """

    def __init__(self, *, encoder: VideoViT, text: FusionBert, decoder: AnswerDecoder) -> None:
        super().__init__()
        self.encoder, self.text, self.decoder = encoder, text, decoder

    def ask(self, clips: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """clips: (Q, 3, T, H, W) in [0, 1], ids, mask: (Q, L) questions -> states (Q, L, D)."""
        return self.text(ids, mask, self.encoder(clips).tokens)

    def loss(
        self, states: Tensor, mask: Tensor, answers: tuple[Tensor, Tensor], weights: Tensor, counts: Tensor
    ) -> Tensor:
        """Weighted losses of all answers, summed, over the number of questions -> ().

        answers: ids and mask (A, L). weights: (A,), the share of a question's annotators who gave it. counts: (Q,) how
        many answers each question has, in order. Raises ShapeError where these do not add up.
        """
        ids, answer_mask = answers
        if int(counts.sum()) != len(ids) or len(weights) != len(ids) or len(counts) != len(states):
            raise ShapeError(f"{len(states)} questions with {counts.tolist()} answers, got {len(ids)} answers")
        logits = self.decoder(ids, answer_mask, *(x.repeat_interleave(counts, 0) for x in (states, mask)))
        return (weights * self.decoder.losses(logits, ids)).sum() / len(states)

    @torch.no_grad()
    def rank(self, states: Tensor, mask: Tensor, candidates: tuple[Tensor, Tensor], *, top: int = CANDIDATES) -> Ranked:
        """The likeliest of a list of answers, ids and mask (C, L), for each question.

        The `top` with the likeliest first word are asked in full: log p(first word) + log p(all words), so the first
        word counts twice, as in the released code.
        """
        ids, answer_mask = candidates
        top = min(top, len(ids))
        start = ids[:1, :1].expand(len(states), 1)
        first = self.decoder(start, torch.ones_like(start), states, mask)[:, 0].float().log_softmax(-1)
        likely, chosen = first[:, ids[:, 1]].topk(top, dim=1)
        asked = chosen.flatten()
        logits = self.decoder(ids[asked], answer_mask[asked], *(x.repeat_interleave(top, 0) for x in (states, mask)))
        scores = likely - self.decoder.losses(logits, ids[asked]).view(len(states), top)
        probabilities, order = scores.softmax(1).sort(1, descending=True)
        return Ranked(chosen.gather(1, order), probabilities)
