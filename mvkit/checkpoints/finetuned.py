"""The fine-tuning layout that the video repositories share: a bare encoder, `fc_norm` and `head`.

VideoMAE, VideoMAE V2, AMD, MaskAgain, MVD and UMT write the same names and shapes. Only the position table differs,
which is not in the file (UMT's is, where its clips are not of 8 x 14 x 14 tokens): the names do not tell whose it is.
"""

from collections.abc import Mapping

from torch import Tensor

from mvkit.checkpoints._names import BARE, to_kit, to_official


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official fine-tuning names -> names of `VideoClassifier`."""
    return to_kit(state, BARE)


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of `VideoClassifier` -> official fine-tuning names; the inverse of `read`."""
    return to_official(state, BARE)
