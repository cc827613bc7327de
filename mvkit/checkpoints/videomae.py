"""The official VideoMAE layout, read and written.

Pre-training files name the encoder `encoder.*`, the decoder `decoder.*`, its input projection `encoder_to_decoder`
and the mask token at the top; fine-tuning files are a bare encoder with `fc_norm` and `head`. Positions are in
neither.
"""

from collections.abc import Mapping

from torch import Tensor

from mvkit.checkpoints._names import below, to_kit, to_official

_PRETRAIN = (
    ("mask_token", "decoder.mask_token"),
    ("encoder_to_decoder.", "decoder.project."),
    ("decoder.head.", "head."),
)


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official pre-training names -> names of `methods.videomae.VideoMAE`."""
    return to_kit(state, _PRETRAIN)


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of `VideoMAE` -> official pre-training names; the inverse of `read`."""
    return to_official(state, _PRETRAIN)


def encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder of a pre-training state, without its final norm: what fine-tuning starts from.

    The released fine-tuning model has no norm over tokens with mean pooling, so `encoder.norm` is left behind.
    """
    return {name: value for name, value in below(read(state), "encoder.").items() if not name.startswith("norm.")}
