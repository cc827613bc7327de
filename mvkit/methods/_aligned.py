"""What both stages of UMT share: a student whose last layers say what an image teacher says of the same tokens.

Paper: Unmasked Teacher, arXiv:2303.16058.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from einops import rearrange
from torch import Tensor, nn

from mvkit.errors import OptionError, ShapeError, unknown
from mvkit.losses.alignment import KINDS, unit
from mvkit.maskers.base import TokenMask
from mvkit.methods.base import Method, Targets
from mvkit.models.block import NORM_EPS, init_linear
from mvkit.models.linear import Linear
from mvkit.models.teachers import Teacher
from mvkit.models.vit import IMAGENET_MEAN, IMAGENET_STD, VideoViT
from mvkit.tokens import TokenGrid

LAYERS = 6
STATISTICS = ("imagenet", "own")
NORMS: dict[str, Callable[[Tensor], Tensor]] = {"l2": unit, "none": Tensor.float}


class ClipDecoder(nn.Module):
    """(..., D) -> (..., C): linear, then LayerNorm; one for each aligned layer."""

    def __init__(self, width: int, out_width: int, *, norm_eps: float = NORM_EPS) -> None:
        super().__init__()
        self.head = Linear(width, out_width)
        self.norm = nn.LayerNorm(out_width, eps=norm_eps)
        init_linear(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.head(x))


class Aligned(Method):
    """Encoder, teacher and one linear decoder for each aligned layer.

    encoder: with a final norm, shared by all aligned layers, and a position table, added a second time before the
    decoders. teacher: an image encoder with the student's places; with a tubelet above 1 it sees the middle frame of
    each step, or whole steps if its own patches are as long.
    clip_return_layer: K, how many layers are aligned, the last of both networks always among them; None takes 6, or
    as many as the shallower network has. clip_return_interval, clip_student_return_interval: distance between them in
    the teacher and in the student. clip_loss: of `losses.alignment`. clip_norm_type: "l2" makes unit vectors of
    features and predictions, "none" leaves them as they are. teacher_statistics: "imagenet" feeds the teacher
    ImageNet-normalised pixels, as the released code does, whatever it was trained on; "own" its own. norm_eps: of the
    decoders' LayerNorm.
    Raises OptionError for layers that do not exist, ShapeError where the teacher's tokens are not the student's.
    needs_attention: does the masker ask what the teacher's class token looks at?
    """

    needs_attention = False

    def __init__(
        self,
        *,
        encoder: VideoViT,
        teacher: Teacher,
        clip_return_layer: int | None = None,
        clip_return_interval: float = 1,
        clip_student_return_interval: float = 1,
        clip_loss: str = "l2",
        clip_norm_type: str = "l2",
        teacher_statistics: str = "imagenet",
        norm_eps: float = NORM_EPS,
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
        self.encoder, self.clip_loss = encoder, clip_loss
        self.norm = NORMS[clip_norm_type]
        self.teachers = {"clip": teacher}
        self.teacher_statistics = teacher_statistics
        depths = {"teacher": teacher.encoder.depth, "student": encoder.depth}
        intervals = {"teacher": clip_return_interval, "student": clip_student_return_interval}
        layers = aligned_layers(depths, clip_return_layer, intervals)
        self.teacher_layers, self.student_layers = layers["teacher"], layers["student"]
        width = teacher.encoder.out_width
        self.clip_decoder = nn.ModuleList(
            ClipDecoder(encoder.width, width, norm_eps=norm_eps) for _ in self.student_layers
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
        places = mask.visible(self.encoder.positions(mask.grid).expand(len(normed), -1, -1))
        layers = (normed + places[:, None]).unbind(1)
        return self.norm(torch.stack([decoder(x) for decoder, x in zip(self.clip_decoder, layers, strict=True)], dim=1))


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
