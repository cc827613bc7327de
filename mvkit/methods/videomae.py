"""VideoMAE: hide 90 % of the tubes, predict their pixels.

Paper: VideoMAE, arXiv:2203.12602. Computes what the released code computes: per token and channel normalised targets,
a decoder over visible and hidden tokens, a plain mean of squared differences over hidden tokens.

    mvkit train spec.json        # {"method": "videomae", "card": "moving_shapes", "options": {"size": "tiny"}}

`normalise_targets=False` regresses raw pixels instead: at the small budgets of the embedded set that learns, while
normalised targets stay near their trivial loss of 1 (reports/LOG.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mvkit import maskers
from mvkit.losses.pixels import normalise_pixels, pixel_loss
from mvkit.maskers.base import MaskContext, Masker
from mvkit.methods.base import Method, StepOutput, Targets
from mvkit.models.decoder import TokenDecoder
from mvkit.models.linear import Linear
from mvkit.models.sizes import size as named_size
from mvkit.models.sizes import video_vit
from mvkit.models.vit import VideoViT
from mvkit.tokens import patchify


class VideoMAE(Method):
    """Masked autoencoder over tubes of pixels.

    encoder, decoder: on the same grid. masker: draws one mask a clip. normalise_targets: each token and channel of
    the target to mean 0 and deviation 1 (the paper's default), else pixels in [0, 1].
    """

    title = "VideoMAE"
    paper = "VideoMAE, arXiv:2203.12602"
    hides = "tube, 90 %"
    loss = "squared error of the pixels of hidden tokens"

    def __init__(
        self, *, encoder: VideoViT, decoder: TokenDecoder, masker: Masker, normalise_targets: bool = True
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.masker = encoder, decoder, masker
        self.normalise_targets = normalise_targets
        values = encoder.tubelet * encoder.patch**2 * len(encoder.mean)
        self.head = Linear(decoder.width, values)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def build(
        cls,
        *,
        size: str = "small",
        frames: int = 16,
        image: int = 224,
        patch: int = 16,
        tubelet: int = 2,
        masker: str = "tube",
        ratio: float = 0.9,
        normalise_targets: bool = True,
        decoder_depth: int | None = None,
        position: str = "sincos_1d",
        drop_path: float = 0.0,
    ) -> VideoMAE:
        """size: a name of `models.SIZES`. frames, image: of the clip, in frames and pixels. masker, ratio: a strategy
        and the share it hides. decoder_depth: None takes the size's. position: table of `models.positions`."""
        shape = named_size(size)
        encoder = video_vit(
            size, frames=frames, image=image, patch=patch, tubelet=tubelet, position=position, drop_path=drop_path
        )
        decoder = TokenDecoder(
            encoder.grid,
            in_width=shape.width,
            width=shape.decoder_width,
            depth=shape.decoder_depth if decoder_depth is None else decoder_depth,
            heads=shape.decoder_heads,
            position=position,
        )
        chosen = maskers.create(masker, ratio=ratio)
        return cls(encoder=encoder, decoder=decoder, masker=chosen, normalise_targets=normalise_targets)

    def forward(
        self, clips: Tensor, *, generator: torch.Generator, targets: Targets | None = None, artifacts: bool = False
    ) -> StepOutput:
        masks = self.masker(self.encoder.grid, len(clips), generator=generator, context=MaskContext(video=clips))
        masks = masks.to(clips.device)
        mask = masks.primary
        with torch.no_grad(), torch.autocast(clips.device.type, enabled=False):
            wanted = mask.hidden_part(patchify(clips.float(), tubelet=self.encoder.tubelet, patch=self.encoder.patch))
            if self.normalise_targets:
                wanted = normalise_pixels(wanted)
        predictions = self.head(self.decoder(self.encoder(clips, mask).tokens, mask))
        loss = pixel_loss(predictions, wanted)
        found = {"predictions": predictions.detach().float(), "targets": wanted} if artifacts else {}
        return StepOutput(loss=loss, parts={"pixels": loss}, masks=masks.roles, artifacts=found)
