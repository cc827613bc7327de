"""Names of BERT's weights: transformers' files, and the same names inside UMT's second stage.

Ours are those of `models.bert`: `text.embeddings.*`, `text.layers.<i>.*` and `words.*`. Files tie the output map of
hidden words to the word embeddings and keep it twice; ours is kept once. Position numbers and the pooler are not used.
Papers: BERT, arXiv:1810.04805; UMT, arXiv:2303.16058.
"""

from collections.abc import Mapping

from torch import Tensor

from mvkit.checkpoints._names import to_kit, to_official

_PAIRS = (
    ("bert.embeddings.", "text.embeddings."),
    ("bert.encoder.layer.", "text.layers."),
    ("cls.predictions.transform.", "words.transform."),
    ("cls.predictions.bias", "words.bias"),
)
# Tied copies and numbers that a model makes for itself; the old names of LayerNorm's weights are BERT's own files'.
_DEAD = ("cls.predictions.decoder.", "bert.embeddings.position_ids", "bert.pooler.", "cls.seq_relationship.")
_OLD = ((".gamma", ".weight"), (".beta", ".bias"))


def is_dead(name: str) -> bool:
    """Is it the name of a weight that is a copy of another, or that nothing uses?"""
    return name.startswith(_DEAD)


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A BertModel or BertForMaskedLM -> `text.*` and, if the file has it, `words.*`; cross-attention is kept."""
    if not any(name.startswith("bert.") for name in state):
        state = {
            f"bert.{name}" if name.startswith(("embeddings.", "encoder.")) else name: v for name, v in state.items()
        }
    for old, new in _OLD:
        state = {name[: -len(old)] + new if name.endswith(old) else name: v for name, v in state.items()}
    return to_kit({name: value for name, value in state.items() if not is_dead(name)}, _PAIRS)


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of ours -> those of a BertForMaskedLM, tied copies included; the inverse of `read`."""
    found = to_official(state, _PAIRS)
    if "cls.predictions.bias" in found:
        found["cls.predictions.decoder.bias"] = found["cls.predictions.bias"]
        if "bert.embeddings.word_embeddings.weight" in found:
            found["cls.predictions.decoder.weight"] = found["bert.embeddings.word_embeddings.weight"]
    return found
