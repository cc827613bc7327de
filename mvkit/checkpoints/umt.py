"""The official layout of UMT stage 1, read and written, and the position table of its fine-tuning model.

The student's names are ours: `encoder.*` and `clip_decoder.<k>.{head,norm}.*`, decoder 0 for the shallowest layer;
only LayerScale is called otherwise (`gamma_1` there, `ls1.gamma` here). Position tables are not in the file.
Paper: UMT, arXiv:2303.16058.
"""

from collections.abc import Mapping

from torch import Tensor

from mvkit.checkpoints._names import below, to_kit, to_official
from mvkit.checkpoints.tables import interpolate
from mvkit.models.positions import table
from mvkit.tokens import TokenGrid


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official pre-training names -> names of `methods.umt.UMT`."""
    return to_kit(state)


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of `UMT` -> official pre-training names; the inverse of `read`."""
    return to_official(state)


def encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder of a pre-training state without its final norm, which fine-tuning does not have."""
    return {name: value for name, value in below(read(state), "encoder.").items() if not name.startswith("norm.")}


def finetuning_grid(patch: int) -> TokenGrid:
    """The grid that the fine-tuning model's table is made for, whatever its clips: 8x14x14, for patch 14 8x16x16."""
    side = 16 if patch == 14 else 14
    return TokenGrid(8, side, side)


def finetuning_positions(grid: TokenGrid, width: int, *, patch: int = 16) -> Tensor:
    """(N, width): the fine-tuning model's table, which is not the pre-training one.

    It is made for `finetuning_grid`, where it is the pre-training table, and fitted to other grids: places bicubic,
    steps linear, both without aligned corners.
    """
    made = finetuning_grid(patch)
    return interpolate(table("sincos_1d", made, width), made, grid)
