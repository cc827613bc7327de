"""Whose file it is: what each family of official weights looks like, and how its names are read and written.

A kind is a family; whether a file is of pre-training or of fine-tuning its keys say. Some keys fit several kinds. Where
these need the same position table, the first is taken; where not (a fine-tuning file of MVD has the keys and shapes of
one of VideoMAE), the kind must be said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mvkit.checkpoints import amd, clip, finetuned, mae, maskagain, mvd, umt, videomae
from mvkit.checkpoints._names import below
from mvkit.errors import CheckpointError, unknown

State = Mapping[str, Tensor]
Rename = Callable[..., dict[str, Tensor]]


@dataclass(frozen=True)
class Family:
    """frames: of the released models' clips. architecture: what `VideoViT` needs besides sizes. read, write: names of
    pre-training; tuned: the same of fine-tuning, None if there is no such layout. besides: how names begin that belong
    to the layout but not to the encoder. wrap: are files of it `{"model": ...}`? dead: is it the name of a weight that
    nothing uses, and ours lack?
    """

    frames: int
    architecture: Mapping[str, Any]
    read: Rename
    write: Rename
    besides: tuple[str, ...]
    tuned: tuple[Rename, Rename] | None = (finetuned.read, finetuned.write)
    wrap: bool = True
    dead: Callable[[str], bool] = lambda name: False


def _read_clip(state: State) -> dict[str, Tensor]:
    return {f"encoder.{name}": value for name, value in clip.read(state).items()}


def _write_clip(state: State) -> dict[str, Tensor]:
    return clip.write(below(state, "encoder."))


_PIXELS = ("mask_token", "encoder_to_decoder.", "decoder.")

FAMILIES: dict[str, Family] = {
    "videomae": Family(16, {"position": "sincos_1d"}, videomae.read, videomae.write, _PIXELS),
    "amd": Family(
        16,
        {"position": "sincos_1d"},
        amd.read,
        amd.write,
        (*_PIXELS, "generators.", "encoder.projection_heads."),
        dead=amd.is_dead,
    ),
    "maskagain": Family(16, {"position": "sincos_1d"}, maskagain.read, maskagain.write, ("Align_",)),
    "mvd": Family(16, mvd.ARCHITECTURE, mvd.read, mvd.write, ("mask_token_", "down_", "decoder_", "pos_embed")),
    "umt": Family(8, {"position": "sincos_1d"}, umt.read, umt.write, ("clip_decoder.",), wrap=False),
    "mae": Family(
        1,
        mae.ARCHITECTURE,
        mae.read,
        mae.write,
        ("mask_token", "decoder_", "pos_embed"),
        tuned=(mae.read_finetuned, mae.write_finetuned),
    ),
    "clip": Family(1, {**clip.ARCHITECTURE, **clip.STATISTICS}, _read_clip, _write_clip, (), tuned=None, wrap=False),
}

# Kinds with this table: reading one as the other is no mistake.
_SAME_TABLE = ({"videomae", "amd", "maskagain"},)


def kinds() -> tuple[str, ...]:
    """Families of official weights that are read and written."""
    return tuple(FAMILIES)


def identify(state: State, kind: str | None = None, *, where: str = "these weights") -> str:
    """The kind of a state with official names. kind: what the caller says, which the keys must allow.

    Raises CheckpointError if no kind fits, if several fit that need different tables, or if `kind` does not.
    """
    if kind is not None and kind not in FAMILIES:
        raise CheckpointError(unknown("kind of weights", kind, FAMILIES))
    possible, because = _possible(state, where)
    if kind is not None:
        if kind not in possible:
            raise CheckpointError(f"{where} cannot be of kind '{kind}': {because} says {_either(possible)}")
        return kind
    if len(possible) > 1 and not any(set(possible) <= same for same in _SAME_TABLE):
        raise CheckpointError(
            f"{where} may be of kind {_either(possible)}: {because}, but they need different position tables (mvd a "
            "3-D one, the others a 1-D one) and the file has none; say which, as kind='mvd' or kind='videomae'"
        )
    return possible[0]


def is_tuned(state: State) -> bool:
    """Is it of a fine-tuning model: a bare encoder with `fc_norm` or `head`?"""
    return any(name.startswith(("fc_norm.", "head.")) for name in state)


def bare(state: State) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Without the prefixes that loaders strip, `visual.` of CLIP and `backbone.`; and the names that lack them, such as
    those of CLIP's text tower."""
    for prefix in ("visual.", "backbone."):
        if any(f"{prefix}{sign}" in state for sign in ("class_embedding", "patch_embed.proj.weight")):
            return below(state, prefix), tuple(name for name in state if not name.startswith(prefix))
    return dict(state), ()


def _possible(state: State, where: str) -> tuple[Sequence[str], str]:
    """Kinds that the keys allow, and the key that tells."""
    for kind, signs in (
        ("clip", ("class_embedding",)),
        ("umt", ("clip_decoder.",)),
        ("mvd", ("mask_token_img", "mask_token_vid", "down_img.", "down_vid.")),
        ("amd", ("encoder.projection_heads.", "generators.")),
        ("maskagain", ("Align_",)),
        ("videomae", ("encoder_to_decoder.",)),
    ):
        found = next((name for name in state if name.startswith(signs)), None)
        if found is not None:
            return (kind,), f"'{found}'"
    kernel = next((n for n in ("encoder.patch_embed.proj.weight", "patch_embed.proj.weight") if n in state), None)
    if kernel is None or state[kernel].ndim not in (4, 5):
        raise CheckpointError(
            f"{where} has no layout that is known ({', '.join(FAMILIES)}): no patch embedding of a video or image "
            f"transformer among {', '.join(list(state)[:3])}, ..."
        )
    if state[kernel].ndim == 4:
        return ("mae",), f"the 2-D '{kernel}'"
    steps = f"'{kernel}' with steps of {state[kernel].shape[2]}"
    if state[kernel].shape[2] == 1:
        return ("umt",), steps
    if kernel.startswith("encoder."):
        first = "videomae" if "encoder.norm.weight" in state else "maskagain"
        return (first, *(kind for kind in ("videomae", "amd", "maskagain") if kind != first)), steps
    if "cls_token" in state:
        return ("mvd",), "'cls_token'"
    return ("videomae", "mvd", "amd", "maskagain"), f"{steps} in a bare encoder"


def _either(kinds: Iterable[str]) -> str:
    return " or ".join(f"'{kind}'" for kind in kinds)
