"""A small text tower for embedded captions: words to numbers, and a transformer from numbers to one vector.

The vocabulary is the grammar of `moving_shapes` and nothing is learned or downloaded. Other words are hashed into a
fixed number of buckets: each keeps its own number from run to run, and different ones may share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvkit.data.captions import normalise
from mvkit.data.shapes.spec import BACKGROUND_TEXTURES, COLOURS, DIRECTIONS, SHAPES, SPRITE_TEXTURES
from mvkit.errors import OptionError, unknown

PAD, END = 0, 1
_GRAMMAR = ("a", "an", "moves", "over", "background", *SHAPES, *COLOURS, *SPRITE_TEXTURES, *BACKGROUND_TEXTURES)
# The words of story "one" have rows of their own, those of other stories fall into buckets (no two of their captions
# into the same of 64): so towers trained before there were stories still load.
_OWN = tuple(dict.fromkeys([*_GRAMMAR, *" ".join(DIRECTIONS).split()]))
_CAPTIONS = "and while then before after it"
_QUESTIONS = "what shape colour pattern is does have the one which way move moving first last yes no"
WORDS: tuple[str, ...] = tuple(dict.fromkeys([*_OWN, *_CAPTIONS.split(), *_QUESTIONS.split()]))
"""Every word of the captions, questions and answers of `moving_shapes`."""
POOLINGS = ("end", "mean")


class WordTokenizer:
    """Captions to numbers: 0 pads, 1 ends, then the words of plain captions, then `buckets` for all other words.

    length: most tokens of a caption, its end included; words beyond are cut off.
    """

    def __init__(self, *, buckets: int = 64, length: int = 32) -> None:
        if buckets < 1 or length < 2:
            raise OptionError(f"a tokenizer needs buckets >= 1 and length >= 2, got {buckets} and {length}")
        self.buckets, self.length = buckets, length
        self.numbers = {word: number for number, word in enumerate(_OWN, start=END + 1)}

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return END + 1 + len(_OWN) + self.buckets

    def __call__(self, captions: Sequence[str]) -> Tensor:
        """n captions -> (n, L) long, L of the longest one, at most `length`; padded at the end."""
        words = [normalise(caption).split()[: self.length - 1] for caption in captions]
        rows = [[*map(self.number, row), END] for row in words]
        longest = max(len(row) for row in rows)
        return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])

    def number(self, word: str) -> int:
        """The number of one word, in lower case."""
        # crc32 and not hash(): Python's own differs from process to process.
        return self.numbers.get(word, END + 1 + len(_OWN) + crc32(word.encode()) % self.buckets)


class TextTower(nn.Module):
    """captions -> (n, out_width), not normalised.

    width, depth, heads: of the transformer, torch's own with pre-norm and no dropout. causal: each word sees those
    before it only, as in CLIP; else all. pooling: "end", the token after the last word, or "mean" over all tokens.
    Paper: CLIP, arXiv:2103.00020. Raises OptionError for an unknown pooling.
    """

    def __init__(
        self,
        out_width: int,
        *,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        buckets: int = 64,
        length: int = 32,
        causal: bool = True,
        pooling: str = "end",
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise OptionError(unknown("pooling", pooling, POOLINGS))
        self.tokenizer = WordTokenizer(buckets=buckets, length=length)
        self.causal, self.pooling = causal, pooling
        self.words = nn.Embedding(self.tokenizer.size, width)
        self.pos_embed = nn.Parameter(torch.empty(length, width))
        self.pos_embed.no_decay = True  # type: ignore[attr-defined]  # read by train.optim
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, out_width, bias=False)
        for part in self.parameters():
            if part.ndim == 2:  # the copies of one layer would all start alike
                nn.init.normal_(part, std=part.shape[-1] ** -0.5)
        nn.init.normal_(self.words.weight, std=0.02)
        nn.init.normal_(self.pos_embed, std=0.01)

    def forward(self, captions: Sequence[str]) -> Tensor:
        """n captions -> (n, out_width)."""
        ids = self.tokenizer(captions).to(self.pos_embed.device)
        length = ids.shape[1]
        later = torch.ones(length, length, dtype=torch.bool, device=ids.device).triu(1) if self.causal else None
        x = self.words(ids) + self.pos_embed[:length]
        x = self.blocks(x, mask=later, src_key_padding_mask=ids == PAD)
        if self.pooling == "mean":
            real = (ids != PAD).float()[..., None]
            return self.head((x * real).sum(1) / real.sum(1))
        return self.head((x * F.one_hot((ids == END).float().argmax(1), length)[..., None]).sum(1))
