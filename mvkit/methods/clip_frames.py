"""Frames against captions: the embedded stand-in for CLIP, for runs that may not download one.

Paper: CLIP, arXiv:2103.00020. Each clip gives one frame, drawn anew at every step, and its caption; a frame must be
more similar to its own caption than to the others of the batch. Captions of moving_shapes also say which way things
move, which no single frame shows: the loss cannot reach 0, and what is learned is the appearance. A run of it is the
`clip_teacher` of UMT: its encoder is CLIP's visual transformer, with a class token and a map to the width it shares
with text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvkit.checkpoints.clip import ARCHITECTURE
from mvkit.errors import ShapeError
from mvkit.losses.contrastive import caption_groups, contrastive_loss
from mvkit.maskers.none import NoneMasker
from mvkit.methods.base import Method, StepOutput, Targets, check_captions
from mvkit.models.sizes import size as named_size
from mvkit.models.text import TextTower
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid

TEMPERATURE = 0.07
COLDEST = 0.01


class ClipFrames(Method):
    """Image encoder and text tower, trained by the contrast of frames and captions.

    encoder: of single frames, with a class token; the width of its output is that of text's. The temperature is learned
    from 0.07 and kept at 0.01 or above. Clips with the same caption are not each other's negatives.
    """

    title = "CLIP on frames"
    paper = "CLIP, arXiv:2103.00020"
    taught_by = "captions"
    hides = "nothing"
    loss = "contrast of one frame a clip with its caption"
    couples_clips = True
    needs = frozenset({"captions"})

    def __init__(self, *, encoder: VideoViT, text: TextTower) -> None:
        super().__init__()
        if encoder.class_token is None or encoder.grid.t * encoder.tubelet != 1:
            raise ShapeError("ClipFrames wants an image encoder with a class token: a grid of one step, tubelet 1")
        self.encoder, self.text = encoder, text
        self.masker = NoneMasker()
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))

    @classmethod
    def build(
        cls,
        *,
        size: str = "base",
        frames: int = 8,
        image: int = 224,
        patch: int = 16,
        out_width: int = 512,
        position: str = "learned",
        text_width: int = 128,
        text_depth: int = 2,
        text_heads: int = 4,
        hash_buckets: int = 64,
        context_length: int = 32,
        causal: bool = True,
        pooling: str = "end",
    ) -> ClipFrames:
        """size, image, patch, position: of the image encoder, whose positions are learned in CLIP; a fixed table starts
        sooner in small runs. frames: of the clips that come; any number, one is looked at.
        out_width: shared by frames and captions, 512 in CLIP B/16. text_*, hash_buckets, context_length, causal,
        pooling: of the text tower, far smaller than CLIP's (512 wide, 12 deep, 8 heads, 77 tokens)."""
        shape = named_size(size)
        encoder = VideoViT(
            TokenGrid.of_clip(1, image, image, tubelet=1, patch=patch),
            patch=patch,
            width=shape.width,
            depth=shape.depth,
            heads=shape.heads,
            out_width=out_width,
            **{**ARCHITECTURE, "position": position},
        )
        text = TextTower(
            out_width,
            width=text_width,
            depth=text_depth,
            heads=text_heads,
            buckets=hash_buckets,
            length=context_length,
            causal=causal,
            pooling=pooling,
        )
        return cls(encoder=encoder, text=text)

    def embed_frames(self, frames: Tensor) -> Tensor:
        """frames: (B, 3, 1, H, W) in [0, 1] -> (B, E) float32, each of length 1."""
        return F.normalize(self.encoder.head(self.encoder(frames).class_token).float(), dim=-1)

    def embed_captions(self, captions: Sequence[str]) -> Tensor:
        """n captions -> (n, E) float32, each of length 1."""
        return F.normalize(self.text(captions).float(), dim=-1)

    def forward(
        self,
        clips: Tensor,
        *,
        generator: torch.Generator,
        targets: Targets | None = None,
        artifacts: bool = False,
        captions: Sequence[str] = (),
    ) -> StepOutput:
        """captions: one a clip. Raises ShapeError for another number of them."""
        check_captions(clips, captions)
        with torch.no_grad():  # in place and not in the graph: a clamped value would never get a gradient again
            self.logit_scale.clamp_(max=-math.log(COLDEST))
        mask = self.masker(self.encoder.grid, len(clips), generator=generator).to(clips.device).primary
        drawn = (len(clips) * self.share.world,)
        chosen = self.share.own(torch.randint(clips.shape[2], drawn, generator=generator, device=generator.device))
        rows = torch.arange(len(clips), device=clips.device)
        frames = clips[rows, :, chosen.to(clips.device)][:, :, None]
        seen, read = self.share.whole(self.embed_frames(frames)), self.share.whole(self.embed_captions(captions))
        groups = self.share.whole(caption_groups(captions).to(clips.device))
        with torch.autocast(clips.device.type, enabled=False):  # bf16's error of 0.004, over 0.01, would be 0.4
            similarity = seen @ read.T
        loss = contrastive_loss(similarity, temperature=(-self.logit_scale).exp(), groups=groups)
        found = {"frames": frames, "similarity": similarity.detach()} if artifacts else {}
        return StepOutput(loss=loss, parts={"contrast": loss}, masks={"encoder": mask}, artifacts=found)
