"""MAE: see a quarter of an image, predict the pixels of the rest. On clips, it is shown frames.

Paper: Masked Autoencoders Are Scalable Vision Learners, arXiv:2111.06377. What it learns is an image encoder, on a grid
of one step: the image teacher of MVD (`image_teacher="run:<its run>"`), trained here on frames of the student's clips.

    mvkit train spec.json        # {"method": "mae", "options": {"size": "tiny", "patch": 8}, ...}

Differs from the released code: the decoder's sequence is not put back in order (attention does not care), keys have no
bias (softmax cancels it), and the patch kernel starts as torch has it.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from mvkit import maskers
from mvkit.errors import OptionError, ShapeError
from mvkit.losses.pixels import normalise_patches, pixel_loss
from mvkit.maskers.base import MaskContext, Masker
from mvkit.methods.base import Method, StepOutput, Targets
from mvkit.models.block import init_linear
from mvkit.models.decoder import TokenDecoder
from mvkit.models.linear import Linear
from mvkit.models.sizes import size as named_size
from mvkit.models.sizes import video_vit
from mvkit.models.vit import VideoViT
from mvkit.tokens import patchify

# Width, depth and heads of the released decoder, whatever the encoder; "tiny" takes the kit's own.
DECODER = (512, 8, 16)
FRAMES_USED = ("one", "all")


class MAE(Method):
    """Masked autoencoder of single frames.

    encoder, decoder: on the same grid, of one step. frames_used: "one" shows one frame of each clip, drawn at every
    step; "all" shows every `stride`-th, each with its own mask, so that masks have B * T/stride rows, clip by clip.
    normalise_targets: each patch to mean 0 and variance 1 over its pixels and channels together. Targets are
    the pixels that the encoder sees, in ImageNet's statistics: with channels together, their scales matter.
    Raises ShapeError for an encoder of more than one step, OptionError for other frames_used.
    """

    title = "MAE"
    paper = "MAE, arXiv:2111.06377"
    hides = "random, 75 % of a frame"
    loss = "squared error of the pixels of hidden tokens"

    def __init__(
        self,
        *,
        encoder: VideoViT,
        decoder: TokenDecoder,
        masker: Masker,
        normalise_targets: bool = True,
        frames_used: str = "one",
        stride: int = 2,
    ) -> None:
        super().__init__()
        if encoder.grid.t != 1 or encoder.tubelet != 1:
            raise ShapeError(f"MAE's encoder sees single frames: wanted one step of tubelet 1, got a {encoder.grid}")
        if frames_used not in FRAMES_USED:
            raise OptionError(f"MAE: frames_used must be one of {', '.join(FRAMES_USED)}, got '{frames_used}'")
        self.encoder, self.decoder, self.masker = encoder, decoder, masker
        self.normalise_targets, self.frames_used, self.stride = normalise_targets, frames_used, stride
        self.head = Linear(decoder.width, encoder.patch**2 * len(encoder.mean))
        init_linear(self.head)

    @classmethod
    def build(
        cls,
        *,
        size: str = "small",
        frames: int = 16,
        image: int = 224,
        patch: int = 16,
        tubelet: int = 2,
        frames_used: str = "one",
        masker: str = "random",
        ratio: float = 0.75,
        normalise_targets: bool = True,
        decoder_depth: int | None = None,
        position: str = "blocked_2d",
        drop_path: float = 0.0,
    ) -> MAE:
        """size: a name of `models.SIZES`. frames, image: of the clips to come, in frames and pixels; the encoder is for
        one frame. tubelet: of the student that this will teach; frames_used "all" shows the first frame of each.
        masker, ratio: a strategy and the share it hides. decoder_depth: None takes the released 8 (tiny: the size's).
        position: table of `models.positions`. Raises ShapeError for frames that do not divide into tubelets."""
        if frames_used == "all" and frames % tubelet:
            raise ShapeError(
                f"frames={frames} do not divide into tubelets of {tubelet}; for single images set tubelet=1"
            )
        shape = named_size(size)
        encoder = video_vit(
            size,
            frames=1,
            image=image,
            patch=patch,
            tubelet=1,
            class_token=True,
            position=position,
            drop_path=drop_path,
        )
        tiny = (shape.decoder_width, shape.decoder_depth, shape.decoder_heads)
        width, depth, heads = tiny if size == "tiny" else DECODER
        decoder = TokenDecoder(
            encoder.grid,
            in_width=shape.width,
            width=width,
            depth=depth if decoder_depth is None else decoder_depth,
            heads=heads,
            position=position,
            project_bias=True,
        )
        init_linear(decoder)
        chosen = maskers.create(masker, ratio=ratio)
        return cls(
            encoder=encoder,
            decoder=decoder,
            masker=chosen,
            normalise_targets=normalise_targets,
            frames_used=frames_used,
            stride=tubelet,
        )

    def forward(
        self, clips: Tensor, *, generator: torch.Generator, targets: Targets | None = None, artifacts: bool = False
    ) -> StepOutput:
        """clips: (B, 3, T, H, W). Each mask says in `aux["frame"]` which frame of its clip a row is of."""
        chosen = self.choose(clips, generator)
        context = MaskContext(video=take_frames(clips, chosen))
        masks = self.masker(self.encoder.grid, chosen.numel(), generator=generator, context=context).to(clips.device)
        mask = masks.primary
        # A masker that repeats earlier masks repeats their frames too.
        chosen = mask.aux.setdefault("frame", chosen.flatten()).view(len(clips), -1)
        images = take_frames(clips, chosen)
        with torch.no_grad(), torch.autocast(clips.device.type, enabled=False):
            wanted = mask.hidden_part(patchify(self._seen(images), tubelet=1, patch=self.encoder.patch))
            if self.normalise_targets:
                wanted = normalise_patches(wanted)
        seen = self.encoder(images, mask)
        predictions = self.head(self.decoder(seen.tokens, mask, class_token=seen.class_token))
        loss = pixel_loss(predictions, wanted)
        found = {"predictions": predictions.detach().float(), "targets": wanted} if artifacts else {}
        return StepOutput(loss=loss, parts={"pixels": loss}, masks=masks.roles, artifacts=found)

    def choose(self, clips: Tensor, generator: torch.Generator) -> Tensor:
        """Frames to show of each clip, (B, 1) or (B, T/stride) long."""
        batch, frames = len(clips), clips.shape[2]
        if self.frames_used == "all":
            return torch.arange(0, frames, self.stride, device=clips.device).expand(batch, -1)
        drawn = torch.randint(frames, (batch * self.share.world, 1), generator=generator, device=generator.device)
        return self.share.own(drawn).to(clips.device)

    def _seen(self, images: Tensor) -> Tensor:
        mean, std = (values.view(-1, 1, 1, 1) for values in (self.encoder.mean, self.encoder.std))
        return (images.float() - mean) / std


def take_frames(clips: Tensor, chosen: Tensor) -> Tensor:
    """clips: (B, 3, T, H, W), chosen: (B, k) frame numbers -> images (B*k, 3, 1, H, W), clip by clip."""
    rows = torch.arange(len(clips), device=clips.device)[:, None]
    return rearrange(clips.transpose(1, 2)[rows, chosen], "b k c h w -> (b k) c 1 h w")
