"""Questions about the clips of a manifest, and the fixed list of answers that they are answered from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mvkit.data.captions import normalise
from mvkit.data.sample import Sample
from mvkit.models.wordpiece import WordPiece


@dataclass(frozen=True)
class Question:
    """place: of its clip. answers: word -> the share of annotators who gave it. kind: "" where there are none."""

    place: int
    text: str
    answers: dict[str, float]
    kind: str = ""


@dataclass(frozen=True)
class Questions:
    """All questions of some clips; left_out: reason -> what, named."""

    asked: tuple[Question, ...]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def outside(self, known: Iterable[str]) -> list[str]:
        """Questions none of whose answers is on a list, named: they can only be answered wrongly."""
        listed = set(known)
        return [f"{q.text} ({', '.join(q.answers)})" for q in self.asked if not listed & q.answers.keys()]

    def answers(self) -> tuple[str, ...]:
        """Every answer, the most frequent first, equal ones by the alphabet."""
        counts = Counter(answer for question in self.asked for answer in question.answers)
        return tuple(sorted(counts, key=lambda answer: (-counts[answer], answer)))

    def kinds(self) -> tuple[str, ...]:
        """ "all", and the kinds in the order met."""
        return ("all", *dict.fromkeys(q.kind for q in self.asked if q.kind))


def questions(samples: Sequence[Sample]) -> Questions:
    """The questions of samples. An `answer` is a text, or a list of texts, one an annotator."""
    found, bad = [], {"questions without a word": [], "questions without an answer": []}
    for place, sample in enumerate(samples):
        for item in sample.qa:
            text, said = normalise(item["question"]), item.get("answer")
            given = [normalise(str(one)) for one in (said if isinstance(said, list | tuple) else [said or ""])]
            counts = Counter(filter(None, given))
            if not text or not counts:
                reason = "questions without an answer" if text else "questions without a word"
                bad[reason].append(f"{sample.path}: {item['question']!r} ({said!r})")
                continue
            shares = {answer: count / counts.total() for answer, count in counts.items()}
            found.append(Question(place, text, shares, str(item.get("kind", ""))))
    return Questions(tuple(found), {reason: names for reason, names in bad.items() if names})


def answer_ids(tokenizer: WordPiece, answers: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
    """ids, mask (A, L) of answers on a device, each with its last token twice, as the released code has it.

    Differs: there an answer is cut to 5 tokens, its ends among them.
    """
    ids, mask = tokenizer(answers)
    ids = torch.cat([ids, torch.full_like(ids[:, :1], tokenizer.special.pad)], dim=1)
    mask = torch.cat([mask, torch.zeros_like(mask[:, :1])], dim=1)
    end = mask.sum(1, keepdim=True)
    return ids.scatter(1, end, tokenizer.special.last).to(device), mask.scatter(1, end, 1).to(device)
