"""The fine-tuning model: encoder without its final norm, mean over tokens, norm, linear head.

Mean first and norm second; the two do not commute. The pre-trained final norm is dropped, as in the released
fine-tuning code, and `fc_norm` starts fresh.
"""

from torch import Tensor, nn

from mvkit.models.block import NORM_EPS
from mvkit.models.vit import VideoViT


class VideoClassifier(nn.Module):
    """clips: (B, 3, T, H, W) in [0, 1] -> logits (B, classes).

    encoder: a VideoViT built with final_norm=False. dropout: before the head. Paper: VideoMAE, arXiv:2203.12602.
    """

    def __init__(self, encoder: VideoViT, classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
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
