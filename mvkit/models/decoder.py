"""The token decoder: visible tokens and one mask token for every wanted place go in, wanted places come out.

The sequence is visible first, wanted last, each in ascending order, as in the official codes; it is never un-shuffled,
because attention does not care and positions travel with the tokens. The last block computes wanted tokens only.
"""

import torch
from torch import Tensor, nn

from mvkit.maskers.base import TokenMask
from mvkit.models.block import NORM_EPS, blocks, init_linear
from mvkit.models.linear import Linear
from mvkit.models.positions import table
from mvkit.tokens import TokenGrid


class TokenDecoder(nn.Module):
    """Decoder of masked autoencoding and of feature prediction.

    visible: (B, V, in_width) from the encoder, mask -> (B, M, width), one row a hidden token, ascending.
    project_bias: of the linear map in_width -> width; in_width None leaves that map out. drop_path: of the last block,
    growing from 0. norm: a LayerNorm over what comes out. learn_mask_token: False keeps it as it was drawn.
    Paper: VideoMAE, arXiv:2203.12602; per teacher: MVD, arXiv:2212.04500; generator: AMD, arXiv:2311.03149.
    """

    pos_embed: Tensor
    mask_token: Tensor

    def __init__(
        self,
        grid: TokenGrid,
        *,
        in_width: int | None,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        layer_scale: float = 0.0,
        drop_path: float = 0.0,
        position: str = "sincos_1d",
        project_bias: bool = False,
        norm: bool = True,
        learn_mask_token: bool = True,
    ) -> None:
        super().__init__()
        self.grid, self.width = grid, width
        self.blocks = blocks(
            depth,
            width,
            heads,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            layer_scale=layer_scale,
            drop_path=drop_path,
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS) if norm else nn.Identity()
        init_linear(self)
        # Left at torch's own linear start: the released codes' Xavier rule does not reach this one either.
        self.project = nn.Identity() if in_width is None else Linear(in_width, width, bias=project_bias)
        token = nn.init.trunc_normal_(torch.empty(1, 1, width), std=0.02, a=-0.02, b=0.02)
        if learn_mask_token:
            self.mask_token = nn.Parameter(token)
        else:
            self.register_buffer("mask_token", token)
        self.register_buffer("pos_embed", table(position, grid, width), persistent=False)

    def forward(
        self, visible: Tensor, mask: TokenMask, *, wanted: TokenMask | None = None, class_token: Tensor | None = None
    ) -> Tensor:
        """visible: (B, V, in_width) -> (B, M, width).

        wanted: a mask whose *visible* tokens, K of them, are to come out instead of all hidden ones: (B, K, width).
        class_token: (B, in_width), put in front of the sequence, without a position.
        """
        x = self.embed(visible, mask, wanted=wanted, class_token=class_token)
        count = (mask.hidden_ids if wanted is None else wanted.visible_ids).shape[1]
        for block in self.blocks[:-1]:
            x, _ = block(x)
        for block in self.blocks[-1:]:
            x, _ = block(x, last=count)
        return self.norm(x.narrow(1, x.shape[1] - count, count))

    def embed(
        self, visible: Tensor, mask: TokenMask, *, wanted: TokenMask | None = None, class_token: Tensor | None = None
    ) -> Tensor:
        """What the first block sees: class token, visible tokens, mask tokens, with their positions."""
        positions = self.pos_embed.expand(len(visible), -1, -1)
        places = mask.hidden_part(positions) if wanted is None else wanted.visible(positions)
        parts = [self.project(visible) + mask.visible(positions), self.mask_token + places]
        if class_token is not None:
            parts.insert(0, self.project(class_token)[:, None])
        return torch.cat(parts, dim=1)
