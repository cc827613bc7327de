"""MVD: predict what frozen teachers make of the tokens the student cannot see.

Paper: Masked Video Distillation, arXiv:2212.04500. The student is VideoMAE's encoder on 10 % of the tubes; instead of
pixels, one shallow decoder for each teacher predicts its features: an image teacher (MAE) that sees the first frame of
every tubelet, a video teacher (VideoMAE) that sees the clip. Both, or one of them.

    mvkit train spec.json    # {"method": "mvd", "options": {"image_teacher": "run:...", "video_teacher": "run:..."}}

The features are a teacher's last residual stream as it is: neither its final norm nor `norm_feature` is applied in the
released recipes. Differs from the released code: a teacher of another size is shown the student's clips resized, not
a second crop of the source.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mvkit import maskers
from mvkit.checkpoints import open_teacher
from mvkit.errors import OptionError, unknown
from mvkit.losses.features import KINDS, feature_loss, normalise_features
from mvkit.maskers.base import MaskContext, Masker, TokenMask
from mvkit.methods.base import Method, StepOutput, Targets
from mvkit.models.block import init_linear
from mvkit.models.decoder import TokenDecoder
from mvkit.models.linear import Linear
from mvkit.models.sizes import size as named_size
from mvkit.models.sizes import video_vit
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT

ROLES = ("image", "video")
CLASS_TOKEN_STD = 1e-6


class MVD(Method):
    """Masked distillation from an image teacher, a video teacher, or both.

    teachers, decoders, weights: by role, "image" and "video" or one of them; the loss is the weighted sum of theirs.
    norm_feature: targets, not predictions, through a LayerNorm without parameters. distill_loss: of `feature_loss`.
    Raises OptionError without a teacher or if roles differ, ShapeError if a teacher's tokens fall on other places.
    """

    title = "MVD"
    paper = "MVD, arXiv:2212.04500"
    taught_by = "an image encoder, a video encoder, or both"
    hides = "tube, 90 %"
    loss = "smooth L1 on features of hidden tokens, one decoder for each teacher"

    def __init__(
        self,
        *,
        encoder: VideoViT,
        teachers: Mapping[str, Teacher],
        decoders: Mapping[str, TokenDecoder],
        masker: Masker,
        weights: Mapping[str, float],
        norm_feature: bool = False,
        distill_loss: str = "smooth_l1",
    ) -> None:
        super().__init__()
        if not teachers or not set(teachers) == set(decoders) == set(weights) <= set(ROLES):
            raise OptionError(
                f"MVD wants an image teacher, a video teacher or both, each with its decoder and weight; got teachers "
                f"{sorted(teachers)}, decoders {sorted(decoders)}, weights {sorted(weights)}"
            )
        if distill_loss not in KINDS:
            raise OptionError(unknown("distill_loss", distill_loss, KINDS))
        for teacher in teachers.values():
            teacher.check(encoder.grid)
        self.encoder, self.masker = encoder, masker
        self.teachers, self.weights = dict(teachers), dict(weights)
        self.norm_feature, self.distill_loss = norm_feature, distill_loss
        self.decoders = nn.ModuleDict(decoders)
        self.heads = nn.ModuleDict(
            {role: Linear(decoder.width, teachers[role].encoder.width) for role, decoder in decoders.items()}
        )
        init_linear(self.heads)
        for decoder in decoders.values():
            decoder.mask_token.no_decay = False  # type: ignore[assignment]  # read by train.optim

    @classmethod
    def build(
        cls,
        *,
        image_teacher: str | Teacher | None = None,
        video_teacher: str | Teacher | None = None,
        size: str = "small",
        frames: int = 16,
        image: int = 224,
        patch: int = 16,
        tubelet: int = 2,
        masker: str = "tube",
        ratio: float = 0.9,
        image_loss_weight: float = 1.0,
        video_loss_weight: float = 1.0,
        norm_feature: bool = False,
        distill_loss: str = "smooth_l1",
        decoder_depth: int = 2,
        feat_decoder_embed_dim: int | None = None,
        feat_decoder_num_heads: int | None = None,
        use_cls_token: bool = False,
        position: str = "blocked_3d",
        drop_path: float = 0.0,
    ) -> MVD:
        """image_teacher, video_teacher: a run, timm model or file (`checkpoints.open_teacher`); None leaves it out,
        with its decoder and loss. size: a name of `models.SIZES`. masker, ratio: a strategy and the share it hides.
        feat_decoder_*: width and heads of both decoders, None takes the encoder's. drop_path: of the encoder and of
        each decoder, growing from 0; the recipes have 0.1, 0.2 for huge. position: table of `models.positions`."""
        said = {"image": image_teacher, "video": video_teacher}
        teachers = {role: open_teacher(teacher) for role, teacher in said.items() if teacher is not None}
        loss_weights = {"image": image_loss_weight, "video": video_loss_weight}
        shape = named_size(size)
        encoder = video_vit(
            size,
            frames=frames,
            image=image,
            patch=patch,
            tubelet=tubelet,
            class_token=use_cls_token,
            position=position,
            drop_path=drop_path,
        )
        if encoder.class_token is not None:
            nn.init.normal_(encoder.class_token, std=CLASS_TOKEN_STD)
        decoders = {
            role: TokenDecoder(
                encoder.grid,
                in_width=shape.width,
                width=feat_decoder_embed_dim or shape.width,
                depth=decoder_depth,
                heads=feat_decoder_num_heads or shape.heads,
                position=position,
                drop_path=drop_path,
                project_bias=True,
            )
            for role in teachers
        }
        for decoder in decoders.values():
            init_linear(decoder)
        return cls(
            encoder=encoder,
            teachers=teachers,
            decoders=decoders,
            masker=maskers.create(masker, ratio=ratio),
            weights={role: loss_weights[role] for role in teachers},
            norm_feature=norm_feature,
            distill_loss=distill_loss,
        )

    def targets(self, clips: Tensor) -> Targets:
        """clips: (B, 3, T, H, W) -> role -> (B, N, E), see `ask`."""
        return {role: self.ask(role, clips) for role in self.teachers}

    def ask(self, role: str, clips: Tensor) -> Tensor:
        """What a teacher says of all tokens, (B, N, E): its last residual stream, before its final norm."""
        teacher = self.teachers[role]
        last = teacher.encoder.depth
        return teacher(clips, steps=self.encoder.grid.t, layers=(last,)).layers[last]

    def forward(
        self, clips: Tensor, *, generator: torch.Generator, targets: Targets | None = None, artifacts: bool = False
    ) -> StepOutput:
        """Artifacts: `predictions_<role>` and `targets_<role>`, (B, M, E), as they are compared."""
        context = MaskContext(video=clips)
        masks = self.masker(self.encoder.grid, len(clips), generator=generator, context=context).to(clips.device)
        mask = masks.primary
        features = self.targets(clips) if targets is None else targets
        wanted = {role: self.wanted(features[role], mask) for role in self.teachers}
        predictions = self.predict(clips, mask)
        parts = {role: feature_loss(predictions[role], wanted[role], self.distill_loss) for role in self.teachers}
        found = {f"predictions_{role}": value.detach().float() for role, value in predictions.items()}
        found |= {f"targets_{role}": value.float() for role, value in wanted.items()}
        return StepOutput(loss=self.total(parts), parts=parts, masks=masks.roles, artifacts=found if artifacts else {})

    def predict(self, clips: Tensor, mask: TokenMask) -> dict[str, Tensor]:
        """Role -> (B, M, E), the teacher's features of hidden tokens as the student makes them up."""
        seen = self.encoder(clips, mask)
        return {
            role: self.heads[role](decoder(seen.tokens, mask, class_token=seen.class_token))
            for role, decoder in self.decoders.items()
        }

    def wanted(self, features: Tensor, mask: TokenMask) -> Tensor:
        """features: (B, N, E) of a teacher -> (B, M, E), what is to be predicted of it."""
        hidden = mask.hidden_part(features)
        return normalise_features(hidden) if self.norm_feature else hidden

    def total(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the teachers' losses; not their mean."""
        return torch.stack([self.weights[role] * part for role, part in parts.items()]).sum()
