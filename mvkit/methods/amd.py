"""AMD: a teacher that sees more than its student, aligned at several layers.

Paper: Asymmetric Masked Distillation, arXiv:2311.03149. The student is a VideoMAE that sees 10 % of the tubes; a larger
frozen encoder sees 25 %, among them all that the student sees. At tokens both see, the student's projected layers are
to equal the teacher's (direct); at tokens only the teacher sees, a small generator makes them from the *same*
projections (generation); and the pixels of all hidden tokens are predicted as ever.

    mvkit train spec.json        # {"method": "amd", "options": {"video_teacher": "run:reports/..."}, ...}

Where the released code and the evident intention differ, the default is what the code computes: the generators' mask
tokens are neither trained nor part of a released file (`learn_generator_tokens` trains them), projections of unequal
layer lists are shared by place in the list, and both terms are means over channels, not the paper's sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mvkit.checkpoints import open_teacher
from mvkit.errors import OptionError
from mvkit.losses.features import feature_loss
from mvkit.losses.pixels import normalise_pixels, pixel_loss
from mvkit.maskers.base import Masker, TokenMask
from mvkit.maskers.nested import NestedMasker
from mvkit.methods.base import Method, StepOutput, Targets
from mvkit.models.block import init_linear
from mvkit.models.decoder import TokenDecoder
from mvkit.models.linear import Linear
from mvkit.models.sizes import size as named_size
from mvkit.models.sizes import video_vit
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid, patchify

HEAD_WIDTH = 64


class AMD(Method):
    """Asymmetric masked distillation.

    masker: gives masks `student`, `teacher` and `extra` (visible to the teacher alone). direct, generation: pairs of
    (student layer, teacher layer), counted from 1; projections has one map per direct pair, generators one decoder per
    generation pair. align_loss: of `feature_loss`. recfac, dirfac, genfac: weights of pixels, direct and generation.
    Raises OptionError for layers that do not exist or more generation pairs than projections.
    """

    title = "AMD"
    paper = "AMD, arXiv:2311.03149"
    taught_by = "a video encoder that sees more tokens"
    hides = "nested tubes, 90 % and 75 %"
    loss = "squared error of pixels, of layers at shared tokens, of generated layers at extra tokens"

    def __init__(
        self,
        *,
        encoder: VideoViT,
        teacher: Teacher,
        decoder: TokenDecoder,
        projections: nn.ModuleList,
        generators: nn.ModuleList,
        masker: Masker,
        direct: Sequence[tuple[int, int]],
        generation: Sequence[tuple[int, int]],
        align_loss: str = "l2",
        recfac: float = 1.0,
        dirfac: float = 1.0,
        genfac: float = 1.0,
        normalise_targets: bool = True,
    ) -> None:
        super().__init__()
        _check_layers(direct, generation, encoder.depth, teacher.encoder.depth)
        if generation and not masker.counts(encoder.grid)["extra"]:
            raise OptionError(
                f"AMD: {masker!r} leaves the teacher no token of its own on a {encoder.grid}, so there is nothing to "
                "generate: lower teacher_ratio, or set genfac=0"
            )
        teacher.check(encoder.grid)
        self.encoder, self.decoder, self.masker = encoder, decoder, masker
        self.teachers = {"video": teacher}
        self.projections, self.generators = projections, generators
        self.direct, self.generation = sorted(direct), sorted(generation)
        self.align_loss, self.normalise_targets = align_loss, normalise_targets
        self.weights = {"pixels": recfac, "direct": dirfac, "generation": genfac}
        self.head = Linear(decoder.width, encoder.tubelet * encoder.patch**2 * len(encoder.mean))
        init_linear(self.head)

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
        student_ratio: float = 0.9,
        teacher_ratio: float = 0.75,
        student_layers_direct: Sequence[int] | None = None,
        teacher_layers_direct: Sequence[int] | None = None,
        student_layers_gen: Sequence[int] | None = None,
        teacher_layers_gen: Sequence[int] | None = None,
        align_loss: str = "l2",
        recfac: float = 1.0,
        dirfac: float = 1.0,
        genfac: float = 1.0,
        generator_depth: int = 2,
        decoder_depth: int | None = None,
        normalise_targets: bool = True,
        learn_generator_tokens: bool = False,
        class_token: bool = False,
        position: str = "sincos_1d",
        drop_path: float = 0.0,
    ) -> AMD:
        """video_teacher: a run, timm model or file (`checkpoints.open_teacher`). The four layer lists pair student and
        teacher blocks, counted from 1; None takes the middle and the last of each, and generation repeats direct.
        Images: frames=1, tubelet=1, an image teacher, and for the tables of image MAE class_token and "blocked_2d".
        """
        shape = named_size(size)
        teacher = open_teacher(video_teacher)
        encoder = video_vit(
            size,
            frames=frames,
            image=image,
            patch=patch,
            tubelet=tubelet,
            class_token=class_token,
            position=position,
            drop_path=drop_path,
        )
        direct = _pairs(student_layers_direct, teacher_layers_direct, shape.depth, teacher.encoder.depth)
        generation = direct
        if not genfac:  # the term is left out, generators and all
            generation = []
        elif (student_layers_gen, teacher_layers_gen) != (None, None):
            generation = _pairs(student_layers_gen, teacher_layers_gen, shape.depth, teacher.encoder.depth)
        decoder = TokenDecoder(
            encoder.grid,
            in_width=shape.width,
            width=shape.decoder_width,
            depth=shape.decoder_depth if decoder_depth is None else decoder_depth,
            heads=shape.decoder_heads,
            position=position,
        )
        width = teacher.encoder.width
        projections = nn.ModuleList(Linear(shape.width, width, bias=False) for _ in direct)
        init_linear(projections)
        generators = nn.ModuleList(
            generator(encoder.grid, width, generator_depth, position=position, learn_mask_token=learn_generator_tokens)
            for _ in generation
        )
        return cls(
            encoder=encoder,
            teacher=teacher,
            decoder=decoder,
            projections=projections,
            generators=generators,
            masker=NestedMasker(student_ratio=student_ratio, teacher_ratio=teacher_ratio),
            direct=direct,
            generation=generation,
            align_loss=align_loss,
            recfac=recfac,
            dirfac=dirfac,
            genfac=genfac,
            normalise_targets=normalise_targets,
        )

    def forward(
        self, clips: Tensor, *, generator: torch.Generator, targets: Targets | None = None, artifacts: bool = False
    ) -> StepOutput:
        masks = self.masker(self.encoder.grid, len(clips), generator=generator).to(clips.device)
        return self.compute(clips, masks.roles, artifacts=artifacts)

    def compute(self, clips: Tensor, masks: Mapping[str, TokenMask], *, artifacts: bool = False) -> StepOutput:
        """The step for given masks `student`, `teacher` and `extra`; artifacts keep their names of `predict`."""
        found = self.predict(clips, masks)
        parts = {
            "pixels": pixel_loss(found["pixel_predictions"], found["pixel_targets"]),
            "direct": self._aligned(found, "direct", len(self.direct)),
        }
        if self.generation:
            parts["generation"] = self._aligned(found, "generation", len(self.generation))
        loss = sum((self.weights[name] * part for name, part in parts.items()), start=clips.new_zeros(()))
        kept = {name: value.detach().float() for name, value in found.items()} if artifacts else {}
        return StepOutput(loss=loss, parts=parts, masks=dict(masks), artifacts=kept)

    def predict(self, clips: Tensor, masks: Mapping[str, TokenMask]) -> dict[str, Tensor]:
        """What is predicted and wanted: pixel_{predictions,targets} (B, M, P), and for the i-th pair of layers
        direct_{predictions,targets}.i (B, V, E) and generation_{predictions,targets}.i (B, K, E), K extra tokens."""
        student, extra = masks["student"], masks["extra"]
        seen = self.encoder(clips, student, layers={s for s, _ in (*self.direct, *self.generation)})
        taught = self.teachers["video"](
            clips, masks["teacher"], layers={t for _, t in (*self.direct, *self.generation)}
        )
        found: dict[str, Tensor] = {}
        for i, (own, theirs) in enumerate(self.direct):
            found[f"direct_predictions.{i}"] = self.projections[i](seen.layers[own])
            found[f"direct_targets.{i}"] = student.within(taught.layers[theirs], masks["teacher"])
        for i, (own, theirs) in enumerate(self.generation):
            # The same map as the direct pair at this place of the list, and nothing detached: serial alignment.
            projected = self.projections[i](seen.layers[own])
            found[f"generation_predictions.{i}"] = self.generators[i](projected, student, wanted=extra)
            found[f"generation_targets.{i}"] = extra.within(taught.layers[theirs], masks["teacher"])
        with torch.no_grad(), torch.autocast(clips.device.type, enabled=False):
            pixels = student.hidden_part(
                patchify(clips.float(), tubelet=self.encoder.tubelet, patch=self.encoder.patch)
            )
            found["pixel_targets"] = normalise_pixels(pixels) if self.normalise_targets else pixels
        found["pixel_predictions"] = self.head(self.decoder(seen.tokens, student, class_token=seen.class_token))
        return found

    def _aligned(self, found: dict[str, Tensor], kind: str, count: int) -> Tensor:
        pairs = [(found[f"{kind}_predictions.{i}"], found[f"{kind}_targets.{i}"]) for i in range(count)]
        return torch.stack([feature_loss(got, wanted, self.align_loss) for got, wanted in pairs]).mean()


def generator(
    grid: TokenGrid, width: int, depth: int, *, position: str, learn_mask_token: bool, **blocks: Any
) -> TokenDecoder:
    """A generator in the teacher's width: no projection, no norm after it, heads of 64 channels; blocks: their options,
    such as mlp_ratio."""
    return TokenDecoder(
        grid,
        in_width=None,
        width=width,
        depth=depth,
        heads=max(1, width // HEAD_WIDTH),
        position=position,
        norm=False,
        learn_mask_token=learn_mask_token,
        **blocks,
    )


def _pairs(
    own: Sequence[int] | None, theirs: Sequence[int] | None, depth: int, teacher_depth: int
) -> list[tuple[int, int]]:
    own = (depth // 2, depth) if own is None else own
    theirs = (teacher_depth // 2, teacher_depth) if theirs is None else theirs
    if len(own) != len(theirs):
        raise OptionError(
            f"AMD pairs layers one to one: student {list(own)} and teacher {list(theirs)} differ in length"
        )
    # Sorted each for itself: layers are met in order of depth, however a list is written.
    return list(zip(sorted(own), sorted(theirs), strict=True))


def _check_layers(
    direct: Sequence[tuple[int, int]], generation: Sequence[tuple[int, int]], depth: int, teacher_depth: int
) -> None:
    if not direct or len(generation) > len(direct):
        raise OptionError(
            f"AMD needs at least one direct layer, and at most as many generation layers, which share their maps; got "
            f"{len(direct)} and {len(generation)}. To leave a term out, set its factor to 0"
        )
    for own, theirs in (*direct, *generation):
        if not (1 <= own <= depth and 1 <= theirs <= teacher_depth):
            raise OptionError(
                f"AMD layer pair ({own}, {theirs}) does not exist: student blocks are 1 to {depth}, "
                f"teacher blocks 1 to {teacher_depth}"
            )
