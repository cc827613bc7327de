"""Renaming of weights between an official layout and the kit's: pairs of names, read forwards and backwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

Pairs = Sequence[tuple[str, str]]

LAYER_SCALE = ((".gamma_1", ".ls1.gamma"), (".gamma_2", ".ls2.gamma"))
"""Its names in the repositories that grew out of BEiT's code."""

BARE = (
    ("cls_token", "encoder.class_token"),
    ("pos_embed", "encoder.pos_embed"),
    ("patch_embed.", "encoder.patch_embed."),
    ("blocks.", "encoder.blocks."),
    ("norm.", "encoder.norm."),
)
"""An encoder that lies in its file without a prefix: MAE, MVD, and every fine-tuning model."""


def to_kit(state: Mapping[str, Tensor], pairs: Pairs = ()) -> dict[str, Tensor]:
    """Official names -> ours. pairs: (official, ours), whole names or prefixes that end in a dot, of which the first
    that fits is used, and parts of names that begin with one, which are all replaced. LayerScale is `gamma_1` there
    and `ls1.gamma` here; a position table (1, N, D) there and (N, D) here."""
    state = {n: v[0] if n.endswith("pos_embed") and v.ndim == 3 else v for n, v in state.items()}
    return {_renamed(name, (*pairs, *LAYER_SCALE)): value for name, value in state.items()}


def to_official(state: Mapping[str, Tensor], pairs: Pairs = ()) -> dict[str, Tensor]:
    """Our names -> official ones; the inverse of `to_kit` with the same pairs."""
    back = [(ours, official) for official, ours in (*pairs, *LAYER_SCALE)]
    state = {n: v[None] if n.endswith("pos_embed") else v for n, v in state.items()}
    return {_renamed(name, back): value for name, value in state.items()}


def below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The part of a state whose names start with prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _renamed(name: str, pairs: Pairs) -> str:
    for old, new in pairs:
        if name == old or (old.endswith(".") and name.startswith(old)):
            name = new + name[len(old) :]
            break
    for old, new in pairs:
        if old.startswith("."):
            name = name.replace(old, new)
    return name
