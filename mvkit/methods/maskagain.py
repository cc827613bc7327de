"""MaskAgain: mask the visible tokens again, by attention and by activation, and distil what is left.

Paper: Mask Again: Masked Knowledge Distillation for Masked Video Modeling (ACM MM 2023; no arXiv version is known).
Student and frozen teacher see the same visible tokens; there is no decoder and nothing is predicted at hidden tokens.
In one block each keeps the strongest keys of every attention row, over the clip (global) and step by step (local), and
what these sum up to is matched; at the output the tokens the teacher activates most are matched one by one (hint) and
in their relations to each other.

    mvkit train spec.json        # {"method": "maskagain", "options": {"video_teacher": "run:reports/..."}, ...}

Where the released code and the evident intention differ, the default is what the code computes: strided values in the
local branch (`value_order="frame"` for the intention), teacher-side projections that are trained, so that both could
shrink to nothing together (`teacher_projections=False` takes them away), and a hint through a projection that counts
the dropped tokens as zeros.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from einops import rearrange
from timm.layers import Mlp
from torch import Tensor, nn

from mvkit import maskers
from mvkit.checkpoints import open_teacher
from mvkit.errors import OptionError, unknown
from mvkit.losses.relations import relation, relation_loss
from mvkit.losses.remasking import Remasked, keep_top, remask_global, remask_local
from mvkit.maskers.base import Masker, TokenMask
from mvkit.methods.base import Method, StepOutput, Targets
from mvkit.models.block import AttentionHeads
from mvkit.models.linear import Linear
from mvkit.models.sizes import video_vit
from mvkit.models.teachers import Teacher
from mvkit.models.vit import Encoded, VideoViT

# Mode -> which branches of the hidden level it has.
MODES = {"hybrid": ("global", "local"), "hinTop": ("global",), "VTop": ("local",), "onlymse": ()}
KEPT = 10


class MaskAgain(Method):
    """Distillation at visible tokens, masked again.

    masker: tubes, if there is a local branch. block, teacher_block: whose attention is matched, counted from 1.
    projections: None where both networks have the same width and heads, else `projections(...)`. weights: of the parts
    hint, relation, global and local. k, m: keys kept a row, tokens kept a clip.
    """

    title = "MaskAgain"
    paper = "MaskAgain, ACM MM 2023"
    taught_by = "a video encoder that sees the same tokens"
    hides = "tube, 90 %; then all but 10 keys a row and 10 tokens a clip"
    loss = "squared error of re-masked attention and of the most active tokens, divergence of their relations"
    couples_clips = True

    def __init__(
        self,
        *,
        encoder: VideoViT,
        teacher: Teacher,
        masker: Masker,
        projections: nn.ModuleDict | None,
        block: int,
        teacher_block: int,
        weights: Mapping[str, float],
        num_k: int,
        num_f: int,
        kd_T: float = 1.0,
        temperature_s: float = 0.1,
        temperature_t: float = 0.05,
        value_order: str = "strided",
    ) -> None:
        super().__init__()
        teacher.check(encoder.grid)
        self.encoder, self.masker = encoder, masker
        self.teachers = {"video": teacher}
        self.projections = projections
        self.block, self.teacher_block = block, teacher_block
        self.weights = dict(weights)
        self.num_k, self.num_f, self.kd_T = num_k, num_f, kd_T
        self.temperature_s, self.temperature_t = temperature_s, temperature_t
        self.value_order = value_order

    @classmethod
    def build(
        cls,
        *,
        video_teacher: str | Teacher,
        size: str = "small",
        frames: int = 16,
        image: int = 224,
        patch: int = 16,
        tubelet: int = 2,
        masker: str = "tube",
        ratio: float = 0.9,
        distill: str = "hybrid",
        onlykd: bool = False,
        gamma: float = 0.2,
        alpha: float = 0.1,
        beta: float = 1.0,
        beta_kd1: float = 3.0,
        beta_kd2: float = 1.0,
        num_k: int | None = None,
        num_f: int | None = None,
        kd_T: float = 1.0,
        temperature_s: float = 0.1,
        temperature_t: float = 0.05,
        value_order: str = "strided",
        projections: bool | None = None,
        teacher_projections: bool = True,
        block: int | None = None,
        teacher_block: int | None = None,
        position: str = "sincos_1d",
        drop_path: float = 0.0,
    ) -> MaskAgain:
        """video_teacher: a run, timm model or file (`checkpoints.open_teacher`).

        distill: hybrid, hinTop (global only), VTop (local only) or onlymse (no attention); onlykd leaves out hint and
        relation. gamma, alpha, beta: weights of hint, relation and attention; beta_kd1 (global) and beta_kd2 (local)
        weigh within hybrid only, as in the released code. num_k, num_f: keys kept a row and tokens kept a clip; None is
        10, or all there are of a step or a clip where these are fewer. projections: None has them where widths or heads
        differ. block: None takes the last of each network.
        """
        teacher = open_teacher(video_teacher)
        encoder = video_vit(
            size,
            frames=frames,
            image=image,
            patch=patch,
            tubelet=tubelet,
            position=position,
            drop_path=drop_path,
            final_norm=False,
        )
        chosen = maskers.create(masker, ratio=ratio)
        visible = chosen.counts(encoder.grid)["encoder"]
        weights = weigh(
            distill, onlykd=onlykd, gamma=gamma, alpha=alpha, beta=beta, beta_kd1=beta_kd1, beta_kd2=beta_kd2
        )
        if "local" in weights and masker != "tube":
            raise OptionError(
                f"MaskAgain's local branch needs as many visible tokens in every step: masker 'tube', got '{masker}'; "
                "use distill='hinTop' or 'onlymse' with another masker"
            )
        own, theirs = encoder.config, teacher.encoder
        differ = own["width"] != theirs.width or own["heads"] != theirs.heads
        maps = None
        if differ if projections is None else projections:
            maps = make_projections(own["width"], theirs.width, weights, teacher_side=teacher_projections)
        return cls(
            encoder=encoder,
            teacher=teacher,
            masker=chosen,
            projections=maps,
            block=_block("block", block, encoder.depth),
            teacher_block=_block("teacher_block", teacher_block, theirs.depth),
            weights=weights,
            num_k=_kept("num_k", num_k, visible // encoder.grid.t if "local" in weights else visible),
            num_f=_kept("num_f", num_f, visible),
            kd_T=kd_T,
            temperature_s=temperature_s,
            temperature_t=temperature_t,
            value_order=value_order,
        )

    def forward(
        self, clips: Tensor, *, generator: torch.Generator, targets: Targets | None = None, artifacts: bool = False
    ) -> StepOutput:
        mask = self.masker(self.encoder.grid, len(clips), generator=generator).to(clips.device).primary
        return self.compute(clips, mask, artifacts=artifacts)

    def compute(self, clips: Tensor, mask: TokenMask, *, artifacts: bool = False) -> StepOutput:
        """The step for a given mask; artifacts: what is kept at each level, and `matched`'s tensors."""
        student, teacher = self.look(clips, mask)
        parts, found = {}, {}
        for level in ("global", "local"):
            if level in self.weights:
                parts[level], found[level] = self.attention_loss(level, student, teacher)
        if "hint" in self.weights:
            parts["hint"], kept = self.hint_loss(student.tokens, teacher.tokens)
            if "relation" in self.weights:
                parts["relation"] = self.relation_loss(student.tokens, teacher.tokens, kept)
            found["output"] = kept
        loss = sum((self.weights[name] * part for name, part in parts.items()), start=clips.new_zeros(()))
        kept_tensors = {f"kept_{name}": value for name, value in found.items()} if artifacts else {}
        return StepOutput(loss=loss, parts=parts, masks=mask.roles, artifacts=kept_tensors)

    def look(self, clips: Tensor, mask: TokenMask) -> tuple[Encoded, Encoded]:
        """Student and teacher at the visible tokens: `tokens` is the residual stream after the last block, no norm."""
        wanted = {"global", "local"} & set(self.weights)
        student = self.encoder(clips, mask, heads=[self.block] if wanted else [])
        depth = self.teachers["video"].encoder.depth
        teacher = self.teachers["video"](clips, mask, layers=[depth], heads=[self.teacher_block] if wanted else [])
        return student, Encoded(teacher.layers[depth], heads=teacher.heads)

    def attention_loss(self, level: str, student: Encoded, teacher: Encoded) -> tuple[Tensor, Tensor]:
        """Loss of the branch "global" or "local", and which keys the student keeps (bool)."""
        own = self.remask(level, student.heads[self.block])
        theirs = self.remask(level, teacher.heads[self.teacher_block])
        got, wanted = self.projected(f"{level}_student", own.summed), self.projected(f"{level}_teacher", theirs.summed)
        return (got - wanted).square().mean(), own.kept

    def remask(self, level: str, heads: AttentionHeads) -> Remasked:
        """Attention of one network, masked again."""
        if level == "global":
            return remask_global(heads, self.num_k, temperature=self.kd_T)
        steps = self.encoder.grid.t
        return remask_local(heads, self.num_k, steps=steps, temperature=self.kd_T, value_order=self.value_order)

    def projected(self, name: str, summed: Tensor) -> Tensor:
        """summed: (B, heads, rows..., d) -> (B, rows, E), heads side by side, through the map of that name."""
        flat = rearrange(summed.flatten(2, -2), "b c r d -> b r (c d)")
        if self.projections is None or name not in self.projections:
            return flat
        return self.projections[name](flat).float()

    def hint_loss(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """Both (B, V, ...) -> squared error at the tokens the teacher activates most, and which those are (B, V)."""
        kept = keep_top(teacher.float().abs().sum(-1), self.num_f)
        got, wanted = student * kept[..., None], teacher * kept[..., None]
        if self.projections is not None:
            got = self.projections["output"](got)
        return (got.float() - wanted.float()).square().mean() * (kept.shape[1] / self.num_f), kept

    def relation_loss(self, student: Tensor, teacher: Tensor, kept: Tensor) -> Tensor:
        """Relations among the kept tokens of all clips, of all processes too, before any projection."""
        kept = self.share.whole(kept.long()).bool()
        # Whole clips are gathered, not their kept tokens: a tie keeps one more, in one process and not in another.
        own, theirs = (self.share.whole(part)[kept] for part in (student, teacher))
        found = relation_loss(relation(own, self.temperature_s), relation(theirs, self.temperature_t))
        return found / (len(kept) * self.num_f)


def weigh(
    distill: str, *, onlykd: bool, gamma: float, alpha: float, beta: float, beta_kd1: float, beta_kd2: float
) -> dict[str, float]:
    """Part -> its weight in the total; a part that does not take part is left out. Raises OptionError."""
    if distill not in MODES:
        raise OptionError(unknown("MaskAgain mode (distill)", distill, MODES))
    if onlykd and not MODES[distill]:
        raise OptionError("MaskAgain: onlykd keeps the attention terms alone, and distill='onlymse' has none")
    within = {"global": beta_kd1, "local": beta_kd2} if distill == "hybrid" else {"global": 1.0, "local": 1.0}
    weights = {level: beta * within[level] for level in MODES[distill]}
    if not onlykd:
        weights |= {"hint": gamma, **({"relation": alpha} if alpha else {})}
    return weights


def make_projections(
    width: int, teacher_width: int, weights: Mapping[str, float], *, teacher_side: bool = True
) -> nn.ModuleDict:
    """The trainable maps into the teacher's width, for the parts in `weights`."""
    maps: dict[str, nn.Module] = {}
    if "hint" in weights:
        maps["output"] = Mlp(width, 2 * width, teacher_width, act_layer=nn.ReLU)
    for level in ("global", "local"):
        if level in weights:
            maps[f"{level}_student"] = Linear(width, teacher_width)
            if teacher_side:
                maps[f"{level}_teacher"] = Linear(teacher_width, teacher_width)
    return nn.ModuleDict(maps)


def _block(name: str, number: int | None, depth: int) -> int:
    if number is not None and not 1 <= number <= depth:
        raise OptionError(f"MaskAgain: {name}={number} does not exist: there are blocks 1 to {depth}")
    return depth if number is None else number


def _kept(name: str, wanted: int | None, most: int) -> int:
    if wanted is None:
        return min(KEPT, most)
    if not 1 <= wanted <= most:
        raise OptionError(f"MaskAgain: {name}={wanted} of {most} visible ones cannot be kept: choose 1 to {most}")
    return wanted
