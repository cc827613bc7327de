"""What a fine-tuning is, in one small frozen record; its defaults are what the published recipes share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mvkit.data import augment as recipes
from mvkit.data.randaugment import RandAugment
from mvkit.eval.mixup import ClipMixup
from mvkit.eval.multiview import Views
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid
from mvkit.train.record import Record


class FinetuneSpec(Record):
    """One fine-tuning for classification, and how its result is tested.

    label: the label set of the manifest. frames, stride: of a clip, in frames of the file; sampling: a name in
    `data.sampling`. augment: "finetune" (RandAugment, random resized crop, `flip`, `erase`, resized by `resize`),
    "centre" or "none". batch: clips loaded a step; repeats: augmented copies of each, side by side. accumulate: parts
    that a step is computed in, one after the other.
    lr, min_lr, warmup_lr (where warm-up starts): *base* rates, per 256 clips; `effective_lr` and so on are those used.
    Copies do not count, except with lr_counts_repeats (UMT). beta2: AdamW's second beta. layer_decay: the rate shrinks
    by this factor a block, from the head down. drop_path: of the last block; dropout: before the head.
    mixup, cutmix, switch, smoothing, compat: see `ClipMixup`; mixup and cutmix of 0 leave only label smoothing.
    test_rule, test_clips, test_crops: see `Views`; `views` is made of them. cache: keep decoded files in memory.
    Raises OptionError with one line for unknown names, wrong types and values out of range.
    """

    label: str = "label"
    frames: int = Field(16, ge=1)
    stride: int = Field(4, ge=1)
    image: int = Field(224, ge=4)
    sampling: str = "dense_finetune"
    augment: Literal["finetune", "centre", "none"] = "finetune"
    flip: float = Field(0.5, ge=0, le=1)
    erase: float = Field(0.25, ge=0, le=1)
    rand_augment: bool = True
    resize: Literal["bilinear", "bicubic"] = "bilinear"
    epochs: int = Field(100, ge=1)
    warmup_epochs: int = Field(5, ge=0)
    batch: int = Field(512, ge=1)
    repeats: int = Field(2, ge=1)
    accumulate: int = Field(1, ge=1)
    lr: float = Field(5e-4, gt=0)
    min_lr: float = Field(1e-6, ge=0)
    warmup_lr: float = Field(0.0, ge=0)
    lr_counts_repeats: bool = False
    weight_decay: float = Field(0.05, ge=0)
    beta2: float = Field(0.999, gt=0, lt=1)
    layer_decay: float = Field(0.75, gt=0, le=1)
    drop_path: float = Field(0.1, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    mixup: float = Field(0.8, ge=0)
    cutmix: float = Field(1.0, ge=0)
    switch: float = Field(0.5, ge=0, le=1)
    smoothing: float = Field(0.1, ge=0, lt=1)
    compat: Literal["", "mvd"] = ""
    test_rule: str = "strided"
    test_clips: int = Field(5, ge=1)
    test_crops: int = Field(3, ge=1)
    seed: int = Field(0, ge=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    workers: int = Field(0, ge=0)
    cache: bool = False

    @model_validator(mode="after")
    def _fits(self) -> FinetuneSpec:
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs of {self.warmup_epochs} is longer than the run of {self.epochs}")
        if self.mixes and self.batch * self.repeats % 2:
            raise ValueError(f"mixup and cutmix pair the clips of a batch: {self.batch} x {self.repeats} is odd")
        return self

    @property
    def mixes(self) -> bool:
        """Are clips mixed?"""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def lr_factor(self) -> float:
        """What the base rates are multiplied by: clips a step / 256."""
        return self.batch * (self.repeats if self.lr_counts_repeats else 1) / 256

    @property
    def effective_lr(self) -> float:
        return self.lr * self.lr_factor

    @property
    def effective_min_lr(self) -> float:
        return self.min_lr * self.lr_factor

    @property
    def effective_warmup_lr(self) -> float:
        return self.warmup_lr * self.lr_factor

    @property
    def recipe(self) -> recipes.Recipe:
        """What is done to a training clip."""
        if self.augment != "finetune":
            return recipes.recipe(self.augment, self.image)
        rand_augment = RandAugment() if self.rand_augment else None
        return recipes.Finetune(self.image, self.flip, self.erase, rand_augment=rand_augment, mode=self.resize)

    def mix(self, classes: int) -> ClipMixup | None:
        """How clips are mixed; None if they are not."""
        if not self.mixes:
            return None
        return ClipMixup(
            classes,
            mixup=self.mixup,
            cutmix=self.cutmix,
            switch=self.switch,
            smoothing=self.smoothing,
            compat=self.compat,
        )

    @property
    def views(self) -> Views:
        """How the result is tested."""
        return Views(self.test_rule, self.test_clips, self.test_crops, self.frames, self.stride, self.image)

    def grid(self, encoder: VideoViT) -> TokenGrid:
        """The token grid of the spec's clips in an encoder."""
        return TokenGrid.of_clip(self.frames, self.image, self.image, tubelet=encoder.tubelet, patch=encoder.patch)

    def __str__(self) -> str:
        counted = f"{self.batch}{f' x {self.repeats}' if self.lr_counts_repeats else ''} clips"
        return (
            f"{self.epochs} epochs, lr {self.lr:g} per 256 clips = {self.effective_lr:g} for {counted}, "
            f"layer decay {self.layer_decay:g}, drop path {self.drop_path:g}, "
            f"tested on {self.test_clips}x{self.test_crops} views"
        )
