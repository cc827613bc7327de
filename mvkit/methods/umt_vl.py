"""UMT, stage 2: clips and captions. The student of stage 1 goes on, still masked, beside a BERT split in two.

Paper: Unmasked Teacher, arXiv:2303.16058. Four losses, summed: the alignment of stage 1 (UTA); contrast of clips and
captions (VTC); do these two belong together (VTM), asked of pairs that nearly do; and words hidden in the caption,
guessed with the clip in view (MLM). A batch is all videos or all images, each hidden with its own ratio.

    {"method": "umt_vl", "options": {"size": "tiny", "patch": 8, "clip_teacher": "run:..."}, "start": ["run:<stage 1>"]}

Differs from the released code: several processes train as one with the whole batch. The gradient of the contrast
reaches every clip it compares, and negatives are drawn from all clips; there, each process keeps its own part of the
gradient and draws among its own clips (`full_gradient=False`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor, nn

from mvkit import checkpoints, maskers
from mvkit.errors import OptionError, unknown
from mvkit.losses.alignment import alignment_loss, unit
from mvkit.losses.contrastive import caption_groups, contrastive_loss, gathered
from mvkit.losses.matching import draw_negatives, matching_loss, pairs
from mvkit.losses.words import IGNORED, hide_words, word_loss
from mvkit.maskers.base import MaskContext, Masker, MaskSet, TokenMask
from mvkit.methods._aligned import Aligned, visible_features
from mvkit.methods._share import Share
from mvkit.methods.base import StepOutput, Targets, check_captions
from mvkit.models import bert
from mvkit.models.bert import FusionBert, WordHead
from mvkit.models.block import NORM_EPS, init_linear
from mvkit.models.sizes import video_vit
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.models.wordpiece import WordPiece

TEMPERATURE, COLDEST, WARMEST = 0.07, 0.001, 0.5
DECODER_EPS = 1e-5  # stage 1 has 1e-6
PARTS = ("uta", "vtc", "vtm", "mlm")


@dataclass(frozen=True)
class Seen:
    """A clip, encoded. tokens: (B, V, D) to look at. pooled: (B, s, D), one vector a clip (masked) or a step.
    aligned: (B, K, V, D), the layers that are aligned, the last of which is `tokens`."""

    tokens: Tensor
    pooled: Tensor
    aligned: Tensor


class UmtVl(Aligned):
    """Video-text pre-training; encoder, teacher and alignment options as in `Aligned`.

    encoder: built with any_steps, so that it takes images and longer clips. text: reads captions and fuses them with
    tokens. words: guesses hidden words. embed_width: E, shared by clips and captions. masker, image_masker: of videos
    and of images. weights: of the losses, by name of `PARTS`; 0 leaves one out. image_share: this share of the steps
    shows one frame of each clip as an image. word_ratio: share of words hidden.
    Raises OptionError for a text encoder that looks at other widths, or unknown losses; ShapeError for captions that
    are not one a clip.
    """

    title = "UMT, video and text"
    paper = "UMT, arXiv:2303.16058"
    taught_by = "CLIP image encoder, and captions"
    hides = "what the teacher attends to least, 80 % of each step (images 50 %); half of the words"
    loss = "alignment as in stage 1, contrast of clips and captions, matching, masked words"
    couples_clips = True
    needs = frozenset({"captions"})

    def __init__(
        self,
        *,
        encoder: VideoViT,
        teacher: Teacher,
        text: FusionBert,
        tokenizer: WordPiece,
        masker: Masker,
        image_masker: Masker,
        embed_width: int = 512,
        weights: Mapping[str, float] | None = None,
        image_share: float = 0.0,
        word_ratio: float = 0.5,
        full_gradient: bool = True,
        **alignment: Any,
    ) -> None:
        # Features stay as they are until the loss, which compares unit vectors.
        super().__init__(encoder=encoder, teacher=teacher, norm_eps=DECODER_EPS, clip_norm_type="none", **alignment)
        if text.visual_width != encoder.width:
            raise OptionError(f"the text encoder looks at width {text.visual_width}, tokens have {encoder.width}")
        self.masker, self.image_masker = masker, image_masker
        self.needs_attention = "attention" in masker.needs | image_masker.needs
        self.weights = {**dict.fromkeys(PARTS, 1.0), **(weights or {})}
        if strange := set(self.weights) - set(PARTS):
            raise OptionError(unknown("loss", min(strange), PARTS))
        self.image_share, self.word_ratio, self.full_gradient = image_share, word_ratio, full_gradient
        self.tokenizer, self.text = tokenizer, text
        self.words = WordHead(text.shape, tokenizer.size) if self.weights["mlm"] else None
        self.pool_norm = nn.LayerNorm(encoder.width, eps=NORM_EPS)
        self.vision_proj = nn.Linear(encoder.width, embed_width)
        self.text_proj = nn.Linear(text.shape.width, embed_width)
        self.match_head = nn.Linear(text.shape.width, 2)
        for head in (self.vision_proj, self.text_proj, self.match_head):
            init_linear(head)
        self.temperature = nn.Parameter(torch.tensor(TEMPERATURE))
        # What no loss reaches is not trained: several processes would wait for its gradient.
        self.match_head.requires_grad_(bool(self.weights["vtm"]))
        self.text.layers[text.shape.fusion :].requires_grad_(bool(self.weights["vtm"] or self.weights["mlm"]))

    @classmethod
    def build(
        cls,
        *,
        clip_teacher: str | Teacher,
        size: str = "base",
        frames: int = 4,
        image: int = 224,
        patch: int = 16,
        tubelet: int = 1,
        masker: str = "attention",
        ratio: float = 0.8,
        image_ratio: float = 0.5,
        image_share: float = 0.0,
        text_size: str = "base",
        fusion_layer: int | None = None,
        vocabulary: str = "",
        max_words: int = 32,
        text_dropout: float = 0.0,
        embed_width: int = 512,
        word_ratio: float = 0.5,
        weights: Mapping[str, float] | None = None,
        full_gradient: bool = True,
        clip_return_layer: int | None = None,
        clip_return_interval: float = 1,
        clip_student_return_interval: float = 1,
        clip_loss: str = "l2",
        teacher_statistics: str = "imagenet",
        position: str = "sincos_1d",
        drop_path: float = 0.0,
    ) -> UmtVl:
        """ratio, image_ratio: share of each step's places hidden in videos and in images. text_size: of `models.bert`;
        fusion_layer: its first layer that looks at the clip, None takes the size's. vocabulary: path of a vocab.txt, ""
        the embedded one. max_words: tokens of a caption. text_dropout: 0.1 in the paper. embed_width: 512 (B) or 768
        (L). The others: as in UMT's stage 1, and the class."""
        encoder = video_vit(
            size, frames=frames, image=image, patch=patch, tubelet=tubelet, position=position, drop_path=drop_path,
            any_steps=True,
        )  # fmt: skip
        tokenizer = WordPiece(vocabulary or None, length=max_words)
        shape = bert.shape(text_size, fusion_layer)
        text = FusionBert(
            shape, vocabulary=tokenizer.size, visual_width=encoder.width, dropout=text_dropout,
            pad=tokenizer.special.pad,
        )  # fmt: skip
        return cls(
            encoder=encoder,
            teacher=checkpoints.open_teacher(clip_teacher),
            text=text,
            tokenizer=tokenizer,
            masker=maskers.create(masker, ratio=ratio),
            image_masker=maskers.create(masker, ratio=image_ratio),
            embed_width=embed_width,
            weights=weights,
            image_share=image_share,
            word_ratio=word_ratio,
            full_gradient=full_gradient,
            clip_return_layer=clip_return_layer,
            clip_return_interval=clip_return_interval,
            clip_student_return_interval=clip_student_return_interval,
            clip_loss=clip_loss,
            teacher_statistics=teacher_statistics,
        )

    def see(self, clips: Tensor, mask: TokenMask | None = None) -> Seen:
        """clips: (B, 3, T, H, W) in [0, 1]. Pooled over all visible tokens of a mask; without one, over each step."""
        if mask is None:
            layers = self.encoder(clips, layers=self.student_layers).layers
            aligned = torch.stack([self.encoder.finish(layers[n]) for n in self.student_layers], dim=1)
            pooled = reduce(aligned[:, -1], "b (t n) d -> b t d", "mean", t=self.encoder.grid_of(clips).t)
        else:
            aligned = self.student(clips, mask)
            pooled = aligned[:, -1].mean(1, keepdim=True)
        return Seen(aligned[:, -1], self.pool_norm(pooled), aligned)

    def embed(self, pooled: Tensor) -> Tensor:
        """pooled: (B, s, D) of `see` -> (B, s, E), each of length 1."""
        return F.normalize(self.vision_proj(pooled).float(), dim=-1)

    def embed_text(self, states: Tensor) -> Tensor:
        """states: (B, L, D) of `text.read` -> (B, E), each of length 1."""
        return F.normalize(self.text_proj(states[:, 0]).float(), dim=-1)

    def match(self, states: Tensor, words: Tensor, tokens: Tensor) -> Tensor:
        """Do they belong together? states: (B, L, D), words: (B, L) mask, tokens: (B, V, D) -> (B, 2), yes last."""
        return self.match_head(self.text.fuse(states, words, tokens)[:, 0])

    def guess(self, ids: Tensor, words: Tensor, tokens: Tensor) -> Tensor:
        """ids: (B, L) with words hidden, words: (B, L) mask -> logits (B, L, W) of every position."""
        if self.words is None:
            raise OptionError("this model was built without a word head: its weight of 'mlm' is 0")
        return self.words(self.text(ids, words, tokens), self.text.embeddings.word_embeddings.weight)

    def cool(self) -> Tensor:
        """The temperature, kept in [0.001, 0.5]."""
        with torch.no_grad():  # in place and not in the graph: a clamped value would never get a gradient again
            self.temperature.clamp_(COLDEST, WARMEST)
        return self.temperature

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
        if self.image_share and float(torch.rand((), generator=generator, device=generator.device)) < self.image_share:
            clips, targets = one_frame(clips, self.encoder.tubelet, generator, self.share), None
        masks, said = self.hide(clips, generator, targets)
        mask = masks.primary
        ids, words = (part.to(clips.device) for part in self.tokens_of(captions))
        groups = caption_groups(captions).to(clips.device)
        seen, states = self.see(clips, mask), self.text.read(ids, words)
        contrast, similarity, groups = self.contrast(seen, states, groups)
        aligned, wanted = self.decode(seen.aligned, mask), visible_features(said["features"], mask)
        parts = {"uta": alignment_loss(unit(aligned), unit(wanted), self.clip_loss), "vtc": contrast}
        found: dict[str, Tensor] = {}
        if self.weights["vtm"]:
            drawn = draw_negatives(similarity / self.temperature.detach(), groups, generator)
            other_clips, other_captions = (self.compared.own(numbers) for numbers in drawn)
            pool = (self.compared.whole(states), self.compared.whole(words), self.compared.whole(seen.tokens))
            logits = self.match(*pairs(states, words, seen.tokens, other_clips, other_captions, pool=pool))
            parts["vtm"] = matching_loss(logits, len(clips))
            found |= {"match": logits.detach(), "negative_clips": other_clips, "negative_captions": other_captions}
        if self.weights["mlm"]:
            drawn = hide_words(
                self.share.whole(ids), self.tokenizer.special, self.tokenizer.size,
                ratio=self.word_ratio, generator=generator,
            )  # fmt: skip
            hidden, labels = (self.share.own(part) for part in drawn)
            guessed = self.guess(hidden, words, seen.tokens)
            # Mean over the words of all processes, whose losses are averaged.
            parts["mlm"] = word_loss(guessed, labels, (drawn[1] != IGNORED).sum() / self.share.world)
            found |= {"ids": ids, "hidden_ids": hidden, "labels": labels, "guessed": guessed.detach().argmax(-1)}
        loss = sum((self.weights[name] * part for name, part in parts.items()), torch.zeros((), device=clips.device))
        found |= {"clips": clips, "similarity": similarity}
        return StepOutput(loss=loss, parts=parts, masks=masks.roles, artifacts=found if artifacts else {})

    def hide(
        self, clips: Tensor, generator: torch.Generator, targets: Targets | None
    ) -> tuple[MaskSet | TokenMask, Targets]:
        """Masks of videos or of images, by the teacher's attention, and what the teacher says of them."""
        said = self.targets(clips) if targets is None else targets
        grid = self.encoder.grid_of(clips)
        masker = self.image_masker if grid.t == 1 else self.masker
        context = MaskContext(video=clips, attention=said.get("attention"))
        return masker(grid, len(clips), generator=generator, context=context).to(clips.device), said

    @property
    def compared(self) -> Share:
        """Whose clips negatives are drawn from."""
        return self.share if self.full_gradient else Share()

    def tokens_of(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Numbers and mask (B, L) of captions, L the longest of all processes."""
        ids, words = self.tokenizer(captions)
        if self.share.world == 1:
            return ids, words
        more = int(gathered(torch.tensor([ids.shape[1]])).max()) - ids.shape[1]
        return F.pad(ids, (0, more), value=self.tokenizer.special.pad), F.pad(words, (0, more))

    def contrast(self, seen: Seen, states: Tensor, groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loss over clips and captions of all processes; similarity (C, C) and groups (C,) of those `compared`."""
        with torch.autocast(states.device.type, enabled=False):  # bf16's error of 0.004, over 0.07, would be 0.06
            own = (self.embed(seen.pooled.float()), self.embed_text(states.float()), groups)
            clips, texts, alike = (gathered(part, full_gradient=self.full_gradient) for part in own)
            loss = contrastive_loss(similarities(clips, texts), temperature=self.cool(), groups=alike)
            clips, texts, alike = (self.compared.whole(part.detach()) for part in own)
            return loss, similarities(clips, texts), alike


def similarities(clips: Tensor, texts: Tensor) -> Tensor:
    """clips: (B, s, E), texts: (C, E), of length 1 -> (B, C), mean of the cosines over s."""
    return torch.einsum("bse,ce->bsc", clips, texts).mean(1)


def one_frame(clips: Tensor, tubelet: int, generator: torch.Generator, share: Share) -> Tensor:
    """One frame of each clip as an image: (B, 3, T, H, W) -> (B, 3, tubelet, H, W)."""
    drawn = (len(clips) * share.world,)
    chosen = share.own(torch.randint(clips.shape[2], drawn, generator=generator, device=generator.device))
    frames = clips[torch.arange(len(clips), device=clips.device), :, chosen.to(clips.device)]
    return rearrange(frames, "b c h w -> b c 1 h w").expand(-1, -1, tubelet, -1, -1)
