"""The action detector: what an encoder says of a clip, pooled over time and inside each box, and one linear layer.

No detector of people is in it: boxes come from outside.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torchvision.ops import roi_align

from mvkit.errors import OptionError, ShapeError
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid


class AnyFrameViT(VideoViT):
    """A `VideoViT` for frames of any size; its table is resized in every step, bicubic, as UMT's detector does."""

    def grid_of(self, clips: Tensor) -> TokenGrid:
        """The grid of clips (B, 3, T, H, W). Raises ShapeError for other steps than the encoder's."""
        grid = TokenGrid.of_clip(*clips.shape[-3:], tubelet=self.tubelet, patch=self.patch)
        if grid.t != self.grid.t:
            raise ShapeError(f"clips {tuple(clips.shape)} have {grid.t} steps, the encoder was built for {self.grid.t}")
        return grid

    def positions(self, grid: TokenGrid) -> Tensor:
        """The position table (N, D) of a grid of `grid_of`."""
        if grid == self.grid:
            return self.pos_embed
        t, h, w = self.grid.shape
        maps = rearrange(self.pos_embed, "(t h w) d -> t d h w", t=t, h=h, w=w)
        maps = F.interpolate(maps, (grid.h, grid.w), mode="bicubic", align_corners=False)
        return rearrange(maps, "t d h w -> (t h w) d")


class ActionDetector(nn.Module):
    """Clips (B, 3, T, H, W) in [0, 1] and regions (K, 5 or more) -> logits (K, classes), a sigmoid each.

    regions: number of the clip, then left, top, right, bottom as shares of the frame; more columns are not looked at.
    encoder: pre-trained; a copy of it is made, with its final norm, or a fresh one where it has none (fine-tuned
    classifiers). frames: of the clips to come. pool: cells of a region's side, of which the largest values are taken.
    mean, std: other colour statistics than the encoder's, such as `AVA_MEAN`.
    Raises OptionError for a learned position table and other frames. Paper: UMT, arXiv:2303.16058 (AVA).
    """

    def __init__(
        self,
        encoder: VideoViT,
        classes: int,
        *,
        frames: int | None = None,
        drop_path: float = 0.0,
        pool: int = 7,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        steps = encoder.grid.t if frames is None else frames // encoder.tubelet
        if encoder.config["position"] == "learned" and steps != encoder.grid.t:
            raise OptionError(f"the learned position table of a {encoder.grid} does not fit {steps} steps")
        self.encoder = AnyFrameViT.from_config(
            encoder.config,
            grid=TokenGrid(steps, encoder.grid.h, encoder.grid.w),
            drop_path=drop_path,
            final_norm=True,
            out_width=None,
            mean=encoder.config["mean"] if mean is None else mean,
            std=encoder.config["std"] if std is None else std,
        )
        kept = {name: value for name, value in encoder.state_dict().items() if not name.startswith("head.")}
        self.encoder.load_state_dict(kept, strict=isinstance(encoder.norm, nn.LayerNorm))
        self.pool = pool
        self.head = nn.Linear(encoder.width, classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.to(encoder.patch_embed.proj.weight.device)

    def features(self, clips: Tensor, regions: Tensor) -> Tensor:
        """-> (K, D), what the head sees."""
        grid = self.encoder.grid_of(clips)
        tokens = self.encoder(clips).tokens
        maps = rearrange(tokens, "b (t h w) d -> b t d h w", t=grid.t, h=grid.h).mean(1)  # (B, D, h, w)
        cells = regions[:, 1:5] * regions.new_tensor([grid.w, grid.h, grid.w, grid.h])
        places = torch.cat([regions[:, :1], cells], 1).float()
        # Places are in cells already, hence a scale of 1. `aligned` would shift them by half a cell: not done there.
        pooled = roi_align(maps.float(), places, self.pool, spatial_scale=1.0, sampling_ratio=0, aligned=False)
        return pooled.flatten(2).amax(2)

    def forward(self, clips: Tensor, regions: Tensor) -> Tensor:
        return self.head(self.features(clips, regions))
