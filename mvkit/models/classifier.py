"""The fine-tuning model: encoder without its final norm, mean over tokens, norm, linear head.

Mean first and norm second; the two do not commute. The pre-trained final norm is dropped, as in the released
fine-tuning code, and `fc_norm` starts fresh.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mvkit.errors import OptionError, ShapeError
from mvkit.models.block import NORM_EPS
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid


class VideoClassifier(nn.Module):
    """clips: (B, 3, T, H, W) in [0, 1] -> logits (B, classes).

    encoder: a VideoViT built with final_norm=False, such as `body` makes of a pre-trained one. dropout: before the
    head. Raises ShapeError for an encoder with a final norm. Paper: VideoMAE, arXiv:2203.12602.
    """

    def __init__(self, encoder: VideoViT, classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        if not isinstance(encoder.norm, nn.Identity):
            raise ShapeError(
                "a classifier takes the mean before its norm: make its encoder with classifier.body(encoder)"
            )
        self.encoder = encoder
        self.fc_norm = nn.LayerNorm(encoder.width, eps=NORM_EPS)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.width, classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02 * 0.001)
        nn.init.zeros_(self.head.bias)

    def features(self, clips: Tensor) -> Tensor:
        """clips -> (B, D), what the head sees."""
        return self.fc_norm(self.encoder(clips).tokens.mean(1))

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(clips)))

    @torch.no_grad()
    def take_over(self, other: VideoClassifier, rows: Sequence[int] | None = None) -> None:
        """The `fc_norm` of another classifier, and these rows of its head in this order, a row per class here.

        UMT goes on from K710 to K400 with rows 0 to 399. rows: None leaves the head as it is. Raises ShapeError.
        """
        self.fc_norm.load_state_dict(other.fc_norm.state_dict())
        if rows is None:
            return
        known, wanted = other.head.out_features, self.head.out_features
        if len(rows) != wanted or not all(0 <= row < known for row in rows):
            raise ShapeError(f"a head of {wanted} classes wants {wanted} rows out of 0 to {known - 1}, got {len(rows)}")
        self.head.weight.copy_(other.head.weight[list(rows)])
        self.head.bias.copy_(other.head.bias[list(rows)])


def body(encoder: VideoViT, *, drop_path: float = 0.0, grid: TokenGrid | None = None) -> VideoViT:
    """A copy of a pre-trained encoder to fine-tune: its weights but the final norm and output map, drop path anew.

    grid: of the clips to come, if another; a fixed position table is then evaluated for it, as VideoMAE, MVD, AMD and
    MaskAgain do (UMT interpolates its table of 8 x 14 x 14; not done here).
    Raises OptionError for another grid where the table is learned.
    """
    grid = grid or encoder.grid
    if encoder.config["position"] == "learned" and grid != encoder.grid:
        raise OptionError(
            f"the learned position table of a {encoder.grid} does not fit a {grid}: fine-tune on clips of the "
            "pre-trained size, or interpolate the table first"
        )
    made = VideoViT.from_config(encoder.config, grid=grid, drop_path=drop_path, final_norm=False, out_width=None)
    dropped = ("norm.", "head.")
    made.load_state_dict({n: v for n, v in encoder.state_dict().items() if not n.startswith(dropped)})
    return made.to(encoder.patch_embed.proj.weight.device)
