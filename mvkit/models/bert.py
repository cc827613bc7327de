"""BERT in two halves: the lower layers read a caption, the upper ones look from its words at a clip.

Paper: UMT, arXiv:2303.16058, after BERT, arXiv:1810.04805. The parts are transformers' own (extra `text`), put together
layer by layer, because only the upper layers have cross-attention and its keys are as wide as the video encoder. Every
mask is passed as numbers added to the scores, -10000 where a word is padding, as in the released code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvkit.errors import OptionError, unknown

PADDED = -10000.0
INIT_STD = 0.02


@dataclass(frozen=True)
class BertShape:
    """Sizes of a BERT. fusion: the first layer with cross-attention, counted from 0; the layers below only read."""

    width: int
    depth: int
    heads: int
    hidden: int
    fusion: int
    positions: int = 512
    types: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.fusion < self.depth:
            raise OptionError(f"fusion layer {self.fusion} must lie in 0 to {self.depth - 1}: {self.depth} layers")
        if self.width % self.heads:
            raise OptionError(f"text width {self.width} does not divide into {self.heads} heads")


# base and large are BERT's own, split as in UMT; tiny is for the embedded captions.
SHAPES = {
    "tiny": BertShape(128, 4, 4, 512, 2, positions=64),
    "base": BertShape(768, 12, 12, 3072, 9),
    "large": BertShape(1024, 24, 16, 4096, 19),
}


def shape(name: str, fusion: int | None = None) -> BertShape:
    """A named size, split at its own layer or at `fusion`. Raises OptionError."""
    if name not in SHAPES:
        raise OptionError(unknown("text size", name, SHAPES))
    return SHAPES[name] if fusion is None else replace(SHAPES[name], fusion=fusion)


class FusionBert(nn.Module):
    """`read` captions with the lower layers, `fuse` what was read with the tokens of a clip in the upper ones.

    vocabulary: how many words the tokenizer has. visual_width: of the tokens looked at. causal: words see those before
    them only (an answer decoder). dropout: of embeddings, attention and sub-layers, 0.1 in the released recipes.
    """

    def __init__(
        self,
        shape: BertShape,
        *,
        vocabulary: int,
        visual_width: int,
        causal: bool = False,
        dropout: float = 0.0,
        pad: int = 0,
    ) -> None:
        super().__init__()
        bert = transformers_bert()
        self.shape, self.causal, self.visual_width = shape, causal, visual_width
        said = {
            "vocab_size": vocabulary, "hidden_size": shape.width, "num_hidden_layers": shape.depth,
            "num_attention_heads": shape.heads, "intermediate_size": shape.hidden, "hidden_act": "gelu",
            "max_position_embeddings": shape.positions, "type_vocab_size": shape.types, "pad_token_id": pad,
            "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout, "attn_implementation": "sdpa",
        }  # fmt: skip
        reads = bert.BertConfig(**said)
        looks = bert.BertConfig(**said, is_decoder=True, add_cross_attention=True)
        self.embeddings = bert.BertEmbeddings(reads)
        self.layers = nn.ModuleList(
            bert.BertLayer(looks if i >= shape.fusion else reads, layer_idx=i) for i in range(shape.depth)
        )
        for layer in self.layers[shape.fusion :]:
            cross: Any = layer.crossattention
            cross.self.key = nn.Linear(visual_width, shape.width)
            cross.self.value = nn.Linear(visual_width, shape.width)
        self.apply(_init)

    def read(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask: (B, L), mask 1 where there is a word -> states (B, L, D) after the lower layers."""
        states, scores = self.embeddings(ids), self._scores(mask)
        for layer in self.layers[: self.shape.fusion]:
            states = layer(states, scores)
        return states

    def fuse(self, states: Tensor, mask: Tensor, seen: Tensor, seen_mask: Tensor | None = None) -> Tensor:
        """states: (B, L, D) of `read`; seen: (B, V, E) to look at, seen_mask: (B, V) or None for all -> (B, L, D)."""
        scores = self._scores(mask)
        beside = None if seen_mask is None else _padding(seen_mask, states)
        for layer in self.layers[self.shape.fusion :]:
            states = layer(states, scores, seen, encoder_attention_mask=beside)
        return states

    def forward(self, ids: Tensor, mask: Tensor, seen: Tensor, seen_mask: Tensor | None = None) -> Tensor:
        return self.fuse(self.read(ids, mask), mask, seen, seen_mask)

    def _scores(self, mask: Tensor) -> Tensor:
        """(B, L) -> what is added to self-attention scores, (B, 1, 1, L), or (B, 1, L, L) if causal."""
        scores = _padding(mask, self.embeddings.word_embeddings.weight)
        if self.causal:
            length = mask.shape[1]
            later = torch.ones(length, length, device=mask.device).triu(1).to(scores) * PADDED
            scores = (scores + later).clamp(min=PADDED)
        return scores

    @property
    def config(self) -> dict[str, Any]:
        return asdict(self.shape)


class WordHead(nn.Module):
    """States to words: dense, GELU, LayerNorm, then the word embeddings themselves as the output map, and a bias."""

    def __init__(self, shape: BertShape, vocabulary: int) -> None:
        super().__init__()
        bert = transformers_bert()
        config = bert.BertConfig(hidden_size=shape.width, hidden_act="gelu")
        self.transform = bert.BertPredictionHeadTransform(config)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.apply(_init)

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        """states: (..., D), words: (W, D) the text encoder's word embeddings -> logits (..., W)."""
        return F.linear(self.transform(states), words, self.bias)


def transformers_bert() -> Any:
    """transformers' module of BERT's parts. Raises OptionError where transformers is not installed."""
    try:
        from transformers.models.bert import modeling_bert
    except ImportError as err:
        raise OptionError(f"text models are built of transformers' BERT ({err}): pip install 'mvkit[text]'") from None
    return modeling_bert


def shape_of(config: Mapping[str, Any], fusion: int) -> BertShape:
    """The shape that a BERT's own `config.json` describes, split at layer `fusion`."""
    names = {
        "width": "hidden_size", "depth": "num_hidden_layers", "heads": "num_attention_heads",
        "hidden": "intermediate_size", "positions": "max_position_embeddings", "types": "type_vocab_size",
    }  # fmt: skip
    return BertShape(fusion=fusion, **{ours: int(config[theirs]) for ours, theirs in names.items()})


def _padding(mask: Tensor, like: Tensor) -> Tensor:
    return (1 - mask.to(like.dtype))[:, None, None, :] * PADDED


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INIT_STD)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            nn.init.zeros_(module.weight[module.padding_idx].detach())
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
