"""UMT, stage 1: a student that sees a fifth of a clip says what CLIP says of those same tokens.

Paper: Unmasked Teacher, arXiv:2303.16058. Computes what the released code computes: a frozen CLIP image transformer
looks at every step on its own; its class token's attention draws the tokens that stay visible; the student's last
layers, through its one final norm and a linear decoder each, must point where the teacher's do. Nothing is predicted
for hidden tokens. The loss starts near 2, where unit vectors have nothing in common.

    {"method": "umt", "options": {"size": "tiny", "patch": 8, "clip_teacher": "run:reports/..."}}
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mvkit import checkpoints, maskers
from mvkit.losses.alignment import alignment_loss
from mvkit.maskers.base import MaskContext, Masker
from mvkit.methods._aligned import Aligned, visible_features
from mvkit.methods.base import StepOutput, Targets
from mvkit.models.sizes import video_vit
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT


class UMT(Aligned):
    """Alignment of a masked student to an unmasked image teacher; encoder, teacher and options as in `Aligned`.

    For attention-guided maskers the teacher needs a class token. Raises OptionError, ShapeError.
    """

    title = "UMT"
    paper = "UMT, arXiv:2303.16058"
    taught_by = "CLIP image encoder"
    hides = "what the teacher attends to least, 80 % of each step"
    loss = "2 - 2 cos to the teacher's features of visible tokens, several layers"

    def __init__(self, *, encoder: VideoViT, teacher: Teacher, masker: Masker, **alignment: Any) -> None:
        super().__init__(encoder=encoder, teacher=teacher, **alignment)
        self.masker, self.needs_attention = masker, "attention" in masker.needs

    @classmethod
    def build(
        cls,
        *,
        clip_teacher: str | Teacher,
        size: str = "base",
        frames: int = 8,
        image: int = 224,
        patch: int = 16,
        tubelet: int = 1,
        masker: str = "attention",
        ratio: float = 0.8,
        clip_return_layer: int | None = None,
        clip_return_interval: float = 1,
        clip_student_return_interval: float = 1,
        clip_loss: str = "l2",
        clip_norm_type: str = "l2",
        teacher_statistics: str = "imagenet",
        position: str = "sincos_1d",
        drop_path: float = 0.0,
    ) -> UMT:
        """clip_teacher: as `checkpoints.open_teacher` takes it. size, frames, image, patch, tubelet, position: of the
        student, as in VideoMAE. masker, ratio: "attention", "random", "tube", ... and the share hidden. drop_path: 0.1
        (B) and 0.2 (L) in the paper. The others: see the class."""
        encoder = video_vit(
            size, frames=frames, image=image, patch=patch, tubelet=tubelet, position=position, drop_path=drop_path
        )
        return cls(
            encoder=encoder,
            teacher=checkpoints.open_teacher(clip_teacher),
            masker=maskers.create(masker, ratio=ratio),
            clip_return_layer=clip_return_layer,
            clip_return_interval=clip_return_interval,
            clip_student_return_interval=clip_student_return_interval,
            clip_loss=clip_loss,
            clip_norm_type=clip_norm_type,
            teacher_statistics=teacher_statistics,
        )

    def forward(
        self, clips: Tensor, *, generator: torch.Generator, targets: Targets | None = None, artifacts: bool = False
    ) -> StepOutput:
        said = self.targets(clips) if targets is None else targets
        context = MaskContext(video=clips, attention=said.get("attention"))
        masks = self.masker(self.encoder.grid, len(clips), generator=generator, context=context).to(clips.device)
        mask = masks.primary
        wanted = visible_features(said["features"], mask)
        predictions = self.decode(self.student(clips, mask), mask)
        loss = alignment_loss(predictions, wanted, self.clip_loss)
        found = {}
        if artifacts:
            found = {"predictions": predictions.detach(), "targets": wanted}
            found |= {"attention": said["attention"]} if "attention" in said else {}
        return StepOutput(loss=loss, parts={"alignment": loss}, masks=masks.roles, artifacts=found)
