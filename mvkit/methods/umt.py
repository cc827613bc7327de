"""UMT, stage 1: a student that sees a fifth of a clip says what CLIP says of those same tokens.

Paper: Unmasked Teacher, arXiv:2303.16058. Computes what the released code computes: a frozen CLIP image transformer
looks at every step on its own; its class token's attention draws the tokens that stay visible; the student's last
layers, through its one final norm and a linear decoder each, must point where the teacher's do. Nothing is predicted
for hidden tokens. The loss starts near 2, where unit vectors have nothing in common.

    {"method": "umt", "options": {"size": "tiny", "patch": 8, "clip_teacher": "run:reports/..."}}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from einops import rearrange
from torch import Tensor, nn

from mvkit import checkpoints, maskers
from mvkit.errors import OptionError, ShapeError, unknown
from mvkit.losses.alignment import KINDS, alignment_loss, unit
from mvkit.maskers.base import MaskContext, Masker, TokenMask
from mvkit.methods.base import Method, StepOutput, Targets
from mvkit.models.block import NORM_EPS, init_linear
from mvkit.models.sizes import video_vit
from mvkit.models.teachers import Teacher
from mvkit.models.vit import IMAGENET_MEAN, IMAGENET_STD, VideoViT
from mvkit.tokens import TokenGrid

LAYERS = 6
STATISTICS = ("imagenet", "own")
NORMS: dict[str, Callable[[Tensor], Tensor]] = {"l2": unit, "none": Tensor.float}


class ClipDecoder(nn.Module):
    """(..., D) -> (..., C): linear, then LayerNorm; one for each aligned layer."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, out_width)
        self.norm = nn.LayerNorm(out_width, eps=NORM_EPS)
        init_linear(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.head(x))


class UMT(Method):
    """Alignment of a masked student to an unmasked image teacher.

    encoder: with a final norm, shared by all aligned layers, and a position table, added a second time before the
    decoders. teacher: an image encoder with the student's places; with a tubelet above 1 it sees the middle frame of
    each step, or whole steps if its own patches are as long. For attention-guided maskers it needs a class token.
    clip_return_layer: K, how many layers are aligned, the last of both networks always among them; None takes 6, or
    as many as the shallower network has. clip_return_interval, clip_student_return_interval: distance between them in
    the teacher and in the student. clip_loss: of `losses.alignment`. clip_norm_type: "l2" makes unit vectors of
    features and predictions, "none" leaves them as they are. teacher_statistics: "imagenet" feeds the teacher
    ImageNet-normalised pixels, as the released code does, whatever it was trained on; "own" its own.
    Raises OptionError for layers that do not exist, ShapeError where the teacher's tokens are not the student's.
    """

    title = "UMT"
    paper = "UMT, arXiv:2303.16058"
    taught_by = "CLIP image encoder"
    hides = "what the teacher attends to least, 80 % of each step"
    loss = "2 - 2 cos to the teacher's features of visible tokens, several layers"

    def __init__(
        self,
        *,
        encoder: VideoViT,
        teacher: Teacher,
        masker: Masker,
        clip_return_layer: int | None = None,
        clip_return_interval: float = 1,
        clip_student_return_interval: float = 1,
        clip_loss: str = "l2",
        clip_norm_type: str = "l2",
        teacher_statistics: str = "imagenet",
    ) -> None:
        super().__init__()
        if clip_norm_type not in NORMS:
            raise OptionError(unknown("clip_norm_type", clip_norm_type, NORMS))
        if clip_loss not in KINDS:
            raise OptionError(unknown("alignment loss", clip_loss, KINDS))
        if teacher_statistics not in STATISTICS:
            raise OptionError(unknown("teacher statistics", teacher_statistics, STATISTICS))
        if teacher.encoder.tubelet not in (1, encoder.tubelet):
            raise ShapeError(
                f"teacher {teacher.source} has patches of {teacher.encoder.tubelet} frames, the student's steps have "
                f"{encoder.tubelet}: UMT wants an image teacher, or one with steps as long"
            )
        teacher.check(TokenGrid(1, encoder.grid.h, encoder.grid.w))
        self.encoder, self.masker, self.clip_loss = encoder, masker, clip_loss
        self.norm = NORMS[clip_norm_type]
        self.teachers = {"clip": teacher}
        self.needs_attention = "attention" in masker.needs
        self.teacher_statistics = teacher_statistics
        depths = {"teacher": teacher.encoder.depth, "student": encoder.depth}
        intervals = {"teacher": clip_return_interval, "student": clip_student_return_interval}
        layers = aligned_layers(depths, clip_return_layer, intervals)
        self.teacher_layers, self.student_layers = layers["teacher"], layers["student"]
        width = teacher.encoder.out_width
        self.clip_decoder = nn.ModuleList(ClipDecoder(encoder.width, width) for _ in self.student_layers)

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

    def teach(self, clips: Tensor) -> tuple[Tensor, Tensor | None]:
        """clips: (B, 3, T, H, W) in [0, 1] -> the teacher's features of all tokens (B, K, N, C), not normalised, and
        the attention of its class token in its last block (B, t, h*w), None for a teacher without one."""
        teacher = self.teachers["clip"]
        steps = rearrange(clips, "b c (t d) h w -> (b t) c d h w", d=self.encoder.tubelet)
        if teacher.encoder.tubelet == 1:
            steps = steps.narrow(2, steps.shape[2] // 2, 1)
        if self.teacher_statistics == "imagenet":
            steps = _as_imagenet(steps, teacher)
        last = teacher.encoder.depth
        said = teacher(steps, layers=self.teacher_layers, heads=(last,))
        features = torch.stack([teacher.finish(said.layers[number]) for number in self.teacher_layers], dim=1)
        attention = None
        if said.class_token is not None or self.needs_attention:
            attention = rearrange(teacher.class_attention(said, last), "(b t) 1 n -> b t n", b=len(clips))
        return rearrange(features, "(b t) k n c -> b k (t n) c", b=len(clips)), attention

    def targets(self, clips: Tensor) -> Targets:
        """features: (B, K, N, C), normed, shallowest layer first; attention: (B, t, h*w), if there is one."""
        features, attention = self.teach(clips)
        return {"features": self.norm(features), **({} if attention is None else {"attention": attention})}

    def student(self, clips: Tensor, mask: TokenMask) -> Tensor:
        """clips -> (B, K, V, D): the aligned layers of visible tokens after the final norm."""
        layers = self.encoder(clips, mask, layers=self.student_layers).layers
        return torch.stack([self.encoder.finish(layers[number]) for number in self.student_layers], dim=1)

    def decode(self, normed: Tensor, mask: TokenMask) -> Tensor:
        """(B, K, V, D) from `student` -> (B, K, V, C), normed."""
        places = mask.visible(self.encoder.pos_embed.expand(len(normed), -1, -1))
        layers = (normed + places[:, None]).unbind(1)
        return self.norm(torch.stack([decoder(x) for decoder, x in zip(self.clip_decoder, layers, strict=True)], dim=1))

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


def visible_features(features: Tensor, mask: TokenMask) -> Tensor:
    """(B, K, N, C) -> (B, K, V, C)."""
    return mask.visible(features.transpose(1, 2)).transpose(1, 2)


def aligned_layers(
    depths: Mapping[str, int], count: int | None, intervals: Mapping[str, float]
) -> dict[str, tuple[int, ...]]:
    """Blocks to align, from 1 and shallowest first: depth - floor(i * interval), i = 0 ... count - 1.

    depths, intervals: by network, under the same names. count: None takes 6, or what the networks allow if less.
    Raises OptionError for a count that they do not allow, an interval below 1, or a count below 1.
    """
    if low := [name for name in depths if intervals[name] < 1]:
        raise OptionError(f"the interval between aligned layers must be at least 1, got {intervals[low[0]]} ({low[0]})")
    found = {n: [depth - int(i * intervals[n]) for i in range(depth)] for n, depth in depths.items()}
    most = min(sum(number >= 1 for number in numbers) for numbers in found.values())
    count = min(LAYERS, most) if count is None else count
    if not 1 <= count <= most:
        said = ", ".join(f"{name}: {depth} blocks, every {intervals[name]:g}" for name, depth in depths.items())
        raise OptionError(f"clip_return_layer={count} layers cannot be aligned ({said}); choose 1 to {most}")
    return {name: tuple(reversed(numbers[:count])) for name, numbers in found.items()}


def _as_imagenet(pixels: Tensor, teacher: Teacher) -> Tensor:
    """Pixels (B, 3, T, H, W) that the teacher's own normalisation turns into ImageNet-normalised ones."""
    mean, std = (torch.tensor(value).to(pixels) for value in (IMAGENET_MEAN, IMAGENET_STD))
    own_mean, own_std = (value.to(pixels) for value in (teacher.encoder.mean, teacher.encoder.std))  # type: ignore[attr-defined]
    if torch.equal(mean, own_mean) and torch.equal(std, own_std):
        return pixels
    scale = own_std / std
    return pixels * scale.view(3, 1, 1, 1) + (own_mean - mean * scale).view(3, 1, 1, 1)
