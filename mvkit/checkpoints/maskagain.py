"""The official MaskAgain layout, read and written: a bare VideoMAE encoder and its projections.

`model` holds `encoder.*` without a final norm; the projections lie beside it in the file, three of the five never
(read here from wherever they are given).
"""

from collections.abc import Mapping

from torch import Tensor

from mvkit.checkpoints._names import below, to_kit, to_official

# Official module -> ours. The official names tell neither level nor side.
_PROJECTIONS = (
    ("Align_feature.", "projections.output."),
    ("Align_valuesum.fc.", "projections.global_student."),
    ("Align_valuesum_t.fc.", "projections.global_teacher."),
    ("Align_valuesum1.fc.", "projections.local_student."),
    ("Align_valuesum1_t.fc.", "projections.local_teacher."),
)


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official names -> names of `methods.maskagain.MaskAgain`."""
    return to_kit(state, _PROJECTIONS)


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of `MaskAgain` -> official names; the inverse of `read`."""
    return to_official(state, _PROJECTIONS)


def encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The blocks of a student or teacher; a VideoMAE pre-training file's norm, decoder and mask token are left out."""
    state = below(read(state), "encoder.")
    return {name: value for name, value in state.items() if name.startswith(("patch_embed.", "blocks."))}
