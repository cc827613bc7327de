"""The token decoder: visible tokens and one learned token for every hidden place go in, hidden places come out.

The sequence is visible first, hidden last, each in ascending order, as in the official code; it is never un-shuffled,
because attention does not care and positions travel with the tokens. The last block computes hidden tokens only.
"""

import torch
from torch import Tensor, nn

from mvkit.maskers.base import TokenMask
from mvkit.models.block import NORM_EPS, Block, init_linear
from mvkit.models.positions import table
from mvkit.tokens import TokenGrid


class TokenDecoder(nn.Module):
    """Decoder of a masked autoencoder.

    visible: (B, V, in_width) from the encoder, mask -> (B, M, width), one row a hidden token, ascending, normed.
    Paper: VideoMAE, arXiv:2203.12602.
    """

    pos_embed: Tensor

    def __init__(
        self,
        grid: TokenGrid,
        *,
        in_width: int,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        layer_scale: float = 0.0,
        position: str = "sincos_1d",
    ) -> None:
        super().__init__()
        self.grid, self.width = grid, width
        self.blocks = nn.ModuleList(
            Block(width, heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, layer_scale=layer_scale) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        init_linear(self)
        # Left at torch's own linear start: the released code's Xavier rule does not reach this one either.
        self.project = nn.Linear(in_width, width, bias=False)
        self.mask_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1, width), std=0.02, a=-0.02, b=0.02))
        self.register_buffer("pos_embed", table(position, grid, width), persistent=False)

    def forward(self, visible: Tensor, mask: TokenMask) -> Tensor:
        """visible: (B, V, in_width) -> (B, M, width)."""
        positions = self.pos_embed.expand(len(visible), -1, -1)
        seen = self.project(visible) + mask.visible(positions)
        x = torch.cat([seen, self.mask_token + mask.hidden_part(positions)], dim=1)
        hidden = mask.hidden_ids.shape[1]
        for block in self.blocks[:-1]:
            x, _ = block(x)
        for block in self.blocks[-1:]:
            x, _ = block(x, last=hidden)
        return self.norm(x.narrow(1, x.shape[1] - hidden, hidden))
