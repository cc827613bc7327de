"""WordPiece: captions to numbers, with the vocabulary of the embedded captions or one from a file.

The rules are BERT's (arXiv:1810.04805), run by the `tokenizers` library (extra `text`). The embedded vocabulary is the
words of `moving_shapes`, and letters and digits for all other words: nothing is downloaded, and no word is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase, digits
from typing import Any

import torch
from torch import Tensor

from mvkit.data.captions import normalise
from mvkit.errors import DataError, OptionError
from mvkit.models.text import WORDS

PAD, UNKNOWN, FIRST, LAST, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
_LETTERS = [*ascii_lowercase, *digits]
EMBEDDED = tuple(dict.fromkeys([PAD, UNKNOWN, FIRST, LAST, MASK, *WORDS, *_LETTERS, *(f"##{c}" for c in _LETTERS)]))


@dataclass(frozen=True)
class SpecialWords:
    """Numbers that mean no word: padding, the first token, the last one, a hidden one. BERT's own by default."""

    pad: int = 0
    first: int = 101
    last: int = 102
    mask: int = 103


class WordPiece:
    """Texts -> (ids, mask), (n, L) long each, mask 1 where there is a token; the first is [CLS], the last [SEP].

    vocabulary: the path of a `vocab.txt`, one token a line (BERT's own has 30,522), or None for the embedded one.
    length: most tokens of a text, both ends included; what is longer is cut. Raises DataError for a file that is not
    a vocabulary, OptionError for a length below 3.
    """

    def __init__(self, vocabulary: Path | str | None = None, *, length: int = 32) -> None:
        if length < 3:
            raise OptionError(f"a text needs room for a word between its ends: length >= 3, got {length}")
        self.words = list(EMBEDDED) if vocabulary is None else _lines(Path(vocabulary))
        numbers = {word: number for number, word in enumerate(self.words)}
        if missing := [word for word in (PAD, UNKNOWN, FIRST, LAST, MASK) if word not in numbers]:
            raise DataError(f"{vocabulary} is no BERT vocabulary: {', '.join(missing)} missing; give a vocab.txt")
        self.special = SpecialWords(*(numbers[word] for word in (PAD, FIRST, LAST, MASK)))
        self.length = length
        self._tokenizer = _tokenizer(numbers, length)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self.words)

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        found = self._tokenizer.encode_batch([normalise(text) for text in texts])
        return torch.tensor([e.ids for e in found]), torch.tensor([e.attention_mask for e in found])

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces that numbers stand for."""
        return [self.words[number] for number in ids]


def _tokenizer(numbers: dict[str, int], length: int) -> Any:
    try:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    except ImportError as err:
        raise OptionError(f"WordPiece is run by the tokenizers library ({err}): pip install 'mvkit[text]'") from None
    made = Tokenizer(models.WordPiece(numbers, unk_token=UNKNOWN, max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing((LAST, numbers[LAST]), (FIRST, numbers[FIRST]))
    made.enable_padding(pad_id=numbers[PAD], pad_token=PAD)
    made.enable_truncation(length)
    return made


def _lines(path: Path) -> list[str]:
    try:
        words = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(f"{path} cannot be read as a vocabulary ({err}): one token a line is wanted") from None
    return words[:-1] if words and not words[-1] else words
