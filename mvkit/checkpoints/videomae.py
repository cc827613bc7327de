"""The official VideoMAE layout, read and written.

Pre-training files name the encoder `encoder.*`, the decoder `decoder.*`, its input projection `encoder_to_decoder`
and the mask token at the top; fine-tuning files are a bare encoder with `fc_norm` and `head`. Positions are in
neither. Ours differ in four names, listed in `_PRETRAIN`, and in LayerScale (`gamma_1` there, `ls1.gamma` here).
"""

import re

from torch import Tensor

# (pattern of the official name, ours); the first that matches is used, and each is undone by `write`.
_PRETRAIN = (
    ("mask_token", "decoder.mask_token"),
    ("encoder_to_decoder.", "decoder.project."),
    ("decoder.head.", "head."),
)


def read(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Official pre-training names -> names of `methods.videomae.VideoMAE`."""
    return {_rename(name, _PRETRAIN, gamma=True): value for name, value in _squeeze(state).items()}


def write(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of `VideoMAE` -> official pre-training names; the inverse of `read`."""
    back = tuple((ours, official) for official, ours in _PRETRAIN)
    state = {name: value[None] if name.endswith("pos_embed") else value for name, value in state.items()}
    return {_rename(name, back, gamma=False): value for name, value in state.items()}


def encoder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder of a pre-training state, without its final norm: what fine-tuning starts from.

    The released fine-tuning model has no norm over tokens with mean pooling, so `encoder.norm` is left behind.
    """
    prefix = "encoder."
    part = {name.removeprefix(prefix): value for name, value in read(state).items() if name.startswith(prefix)}
    return {name: value for name, value in part.items() if not name.startswith("norm.")}


def _rename(name: str, pairs: tuple[tuple[str, str], ...], *, gamma: bool) -> str:
    for old, new in pairs:
        if name == old or (old.endswith(".") and name.startswith(old)):
            return new + name[len(old) :]
    if gamma:
        return re.sub(r"\.gamma_([12])$", r".ls\1.gamma", name)
    return re.sub(r"\.ls([12])\.gamma$", r".gamma_\1", name)


def _squeeze(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A learned position table is (1, N, D) there and (N, D) here."""
    return {
        name: value[0] if name.endswith("pos_embed") and value.ndim == 3 else value for name, value in state.items()
    }
