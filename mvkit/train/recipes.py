"""The published pre-training recipes by name: `<method>_<size>[_from_<size of its teacher>]_<set>`.

From the released scripts of VideoMAE (arXiv:2203.12602), MVD (2212.04500), AMD (2311.03149), MaskAgain (ACM MM 2023)
and both stages of UMT (2303.16058). Where a run was published for several lengths, the longest has no suffix.

    spec = recipe("mvd_small_from_base_k400", manifest="train.csv",
                  image_teacher="file:mae_base.pth", video_teacher="file:videomae_base.pth")
    mvkit train --recipe mvd_small_from_base_k400 --print

>>> print(published("videomae_small_k400"))
videomae_small_k400: VideoMAE, arXiv:2203.12602
  batch            1024 clips: 32 a GPU x 32
  base rate        0.00015 per 256 clips, down to 1e-05
  EFFECTIVE RATE   0.0006, down to 4e-05
  epochs           1600 published; schedule of 1601, 40 of warm-up
  steps            374634: 234 an epoch of 240436 clips; epoch 1600 ends with step 374400
  differs          fp16 with loss scaling there; bf16, or fp32 where the device is poor at it, here

Fine-tuning has its own: `mvkit.eval.recipes`.
"""

from __future__ import annotations

from typing import Any

from mvkit.errors import OptionError, unknown
from mvkit.train.recipe import Recipe
from mvkit.train.spec import RunSpec

_SSV2 = {"stride": 2}
_MAE = "MAE ViT-{}, ImageNet-1K (mae_pretrain_vit_{}.pth)"


def _videomae(
    size: str, data: str, part: int, parts: int, epochs: int, *, ratio: float = 0.9, depth: int = 4, **more: Any
) -> Recipe:
    options = {"masker": "tube", "ratio": ratio, "decoder_depth": depth, "drop_path": 0.0}
    fields = _SSV2 if data == "ssv2" else {}
    return Recipe("videomae", size, data, part, parts, epochs, epochs + 1, options=options, spec_fields=fields, **more)


def _mvd(
    size: str, teacher: str, part: int, parts: int, epochs: int, decoder: tuple[int, int, int], **more: Any
) -> Recipe:
    """decoder: width, heads and depth."""
    width, heads, depth = decoder
    options = {
        "masker": "tube", "ratio": 0.9, "drop_path": 0.2 if size == "huge" else 0.1, "norm_feature": False,
        "decoder_depth": depth, "feat_decoder_embed_dim": width, "feat_decoder_num_heads": heads,
    }  # fmt: skip
    letter = teacher[0].upper()
    teachers = {
        "image_teacher": _MAE.format(letter, teacher),
        "video_teacher": f"VideoMAE ViT-{letter}, Kinetics-400, 1600 epochs",
    }
    if teacher == "huge":
        teachers["image_teacher"] += ", patches of 14 at 196 pixels: file:<path>?image=196&resize_positions=rebuild"
    return Recipe(
        "mvd", size, "k400", part, parts, epochs, epochs + 1, options=options,
        teacher_size=teacher, teachers=teachers, **more,
    )  # fmt: skip


def _amd(size: str, data: str) -> Recipe:
    options = {
        "student_ratio": 0.9, "teacher_ratio": 0.75, "generator_depth": 2, "decoder_depth": 4, "drop_path": 0.0,
        "student_layers_direct": [6, 12], "teacher_layers_direct": [12, 24],
        "student_layers_gen": [6, 12], "teacher_layers_gen": [12, 24],
    }  # fmt: skip
    fields: dict[str, Any] = {"repeats": 4, "clip_grad": 0.02}
    trained = "Kinetics-400, 1600"
    if data == "ssv2":
        fields, trained = {**fields, **_SSV2, "sampling": "window"}, "Something-Something V2, 2400"
    return Recipe(
        "amd", size, data, 16, 32, 800, 200, lr=1.2e-3, warmup=10, options=options, spec_fields=fields,
        teacher_size="large", teachers={"video_teacher": f"VideoMAE ViT-L, {trained} epochs"},
        differs=("every GPU had its own fixed random token in the generators; here there is one",),
    )  # fmt: skip


def _maskagain(
    size: str, data: str, ratio: float, parts: int, lr: float, drop: float, teacher: str, factors: tuple[float, ...]
) -> Recipe:
    """factors: gamma (hint), beta_kd1 (global) and beta_kd2 (local), as each script has them."""
    options = {
        "masker": "tube", "ratio": ratio, "distill": "hybrid", "alpha": 0.1, "beta": 1.0, "num_k": 10, "num_f": 10,
        "temperature_s": 0.1, "temperature_t": 0.05, "drop_path": drop,
        **dict(zip(("gamma", "beta_kd1", "beta_kd2"), factors, strict=True)),
    }  # fmt: skip
    return Recipe(
        "maskagain", size, data, 64, parts, 400, 400, lr=lr, options=options,
        teacher_size="base", teachers={"video_teacher": teacher},
        differs=(
            "relations span the 64 clips of a GPU, here of a part: another `accumulate` changes them",
            "the teacher ran in fp32; here it has the precision of the run",
        ),
    )  # fmt: skip


def _umt(size: str, teacher: str, data: str = "k710", epochs: int = 200, differs: tuple[str, ...] = ()) -> Recipe:
    options = {
        "masker": "attention", "ratio": 0.8, "tubelet": 1, "drop_path": 0.2 if size == "large" else 0.1,
        "clip_return_layer": 6, "clip_loss": "l2", "teacher_statistics": "imagenet",
    }  # fmt: skip
    return Recipe(
        "umt", size, data, 64, 32, epochs, epochs + 1, options=options, teacher_size=size,
        spec_fields={"frames": 8, "stride": 1, "sampling": "segments", "flip": 0.5},
        teachers={"clip_teacher": teacher}, differs=differs,
    )  # fmt: skip


def _umt_vl(size: str, teacher: str, gpus: int) -> Recipe:
    batch, large = 128 * gpus, size == "large"
    options = {
        "masker": "attention", "ratio": 0.8, "image_ratio": 0.5, "image_share": 0.5, "tubelet": 1,
        "drop_path": 0.2 if large else 0.1, "text_size": size, "text_dropout": 0.1, "max_words": 32,
        "embed_width": 768 if large else 512, "word_ratio": 0.5, "clip_return_layer": 6, "clip_loss": "l2",
        "teacher_statistics": "imagenet",
    }  # fmt: skip
    rate = 1e-4 * 256 / batch  # 1e-4 at any batch, so the base rate here depends on it
    return Recipe(
        "umt_vl", size, "webvid", 128, gpus, 10, 10, lr=rate, min_lr=rate / 100, warmup=1, options=options,
        teacher_size=size, teachers={"clip_teacher": teacher},
        spec_fields={
            "frames": 4, "stride": 1, "sampling": "intervals", "augment": "random_resized", "flip": 0.5,
            "weight_decay": 0.02, "beta2": 0.999,
        },
        differs=(
            "the rate of 0.0001 was not scaled with the batch: with another batch set lr to 0.0256 / batch",
            "it starts from stage 1 and BERT, with BERT's vocabulary: add",
            "--set start=file:<stage 1> --set start=file:<BERT> --set options.vocabulary=<vocab.txt>",
            "batches of images came from lists of their own (CC3M and others); here image_share shows single frames",
            "captions were compared over all GPUs; one process compares those of a part: take as many processes",
            "the rate was cut off at a hundredth of itself; here warm-up starts at 0 and the cosine ends there",
        ),
    )  # fmt: skip


_K400_BASE = "VideoMAE ViT-B, Kinetics-400, 1600 epochs (k400_base_1600e_checkpoint.pth)"
_UCF_BASE = "checkpoint_pretrained.pth, which is not described: presumably VideoMAE ViT-B, UCF101, 3200 epochs"
_CLIP_L = "OpenAI CLIP ViT-L/14 at 196 pixels: file:<path>?image=196&resize_positions=true"
_LATE = {"min_lr": 1e-4}  # the 400-epoch runs of MVD end at two thirds of their rate
_RECIPES = (
    _videomae("small", "k400", 32, 32, 1600),
    _videomae("base", "k400", 32, 64, 1600),
    _videomae("base", "k400", 32, 64, 800, suffix="_800"),
    _videomae("large", "k400", 8, 64, 1600, depth=12),
    _videomae("huge", "k400", 16, 64, 1600, depth=12),
    _videomae(
        "small", "ssv2", 32, 64, 2400, differs=("64 GPUs as the command says; its comment says 32: a rate of 0.0006",)
    ),
    _videomae("base", "ssv2", 32, 64, 2400),
    _videomae("base", "ssv2", 32, 64, 800, suffix="_800"),
    _videomae("base", "ucf101", 24, 8, 3200, ratio=0.75, lr=3e-4),
    _mvd("small", "base", 16, 64, 400, (384, 6, 2), **_LATE),
    _mvd("small", "large", 16, 64, 400, (384, 6, 2), **_LATE),
    _mvd("base", "base", 16, 64, 400, (768, 12, 2), **_LATE),
    _mvd("base", "large", 8, 128, 400, (768, 12, 2), **_LATE),
    _mvd("large", "large", 8, 64, 800, (512, 8, 4)),
    _mvd("large", "large", 8, 64, 400, (512, 8, 4), **_LATE, suffix="_400"),
    _mvd(
        "huge", "huge", 8, 64, 800, (640, 8, 8),
        differs=("the image teacher's 196 pixels were cut from the source; here the student's clip is resized",),
    ),
    *(_amd(size, data) for data in ("k400", "ssv2") for size in ("small", "base")),
    _maskagain("small", "k400", 0.9, 8, 1.5e-4, 0.1, _K400_BASE, (0.1, 0.1, 3.0)),
    _maskagain("base", "k400", 0.9, 8, 1.5e-4, 0.1, _K400_BASE, (0.2, 3.0, 1.0)),
    _maskagain("small", "ucf101", 0.75, 4, 3e-4, 0.1, _UCF_BASE, (0.1, 1.0, 3.0)),
    _maskagain("base", "ucf101", 0.75, 4, 3e-4, 0.0, _UCF_BASE, (0.1, 3.0, 1.0)),
    _umt("base", "OpenAI CLIP ViT-B/16"),
    _umt("large", _CLIP_L),
    _umt(
        "base", "OpenAI CLIP ViT-B/16", "k400", 800,
        ("no script was released: as for Kinetics-710, say its authors; 800 epochs are second hand",),
    ),
    _umt_vl("base", "OpenAI CLIP ViT-B/16", 16),
    _umt_vl("large", _CLIP_L, 32),
)  # fmt: skip


def recipes() -> dict[str, Recipe]:
    """Name -> recipe; print one for its table."""
    return {known.name: known for known in _RECIPES}


def published(name: str) -> Recipe:
    """A recipe by its name; `_from_<size>` may be left out where there was one size of teacher only.

    Raises OptionError for an unknown name, or one that fits several.
    """
    known = recipes()
    meant = [known[name]] if name in known else [one for one in known.values() if one.short == name]
    if len(meant) > 1:
        raise OptionError(
            f"recipe '{name}' was published with several teachers: {', '.join(one.name for one in meant)}"
        )
    if not meant:
        raise OptionError(unknown("recipe", name, known))
    return meant[0]


def recipe(
    name: str,
    *,
    manifest: str = "",
    root: str = "",
    clips: int = 0,
    image_teacher: str = "",
    video_teacher: str = "",
    clip_teacher: str = "",
) -> RunSpec:
    """The spec of a published run.

    manifest: your list of the set, root: what its paths start from. clips: how many it has, if not as many as the
    card's: an epoch is that many whole batches. The teachers: of `checkpoints.open_teacher`.
    Raises OptionError for an unknown name, a teacher too many, or one missing, saying which the paper used.
    """
    teachers = {"image_teacher": image_teacher, "video_teacher": video_teacher, "clip_teacher": clip_teacher}
    return published(name).spec(teachers, manifest=manifest, root=root, clips=clips)
