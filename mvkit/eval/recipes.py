"""The published fine-tuning recipes by name: `<method>_<size>_<data set>`, and the schedule where there are several.

From the released scripts of VideoMAE (arXiv:2203.12602), MVD (2212.04500), AMD (2311.03149), MaskAgain and UMT
(2303.16058). Batches are those of all GPUs together. Fields not named here are the defaults of `FinetuneSpec`.

>>> print(recipe("mvd_small_ssv2"))
40 epochs, lr 0.001 per 256 clips = 0.0015 for 384 clips, layer decay 0.7, drop path 0.1, tested on 2x3 views

Not here: UMT at 384 pixels or with 16 frames, whose position tables are interpolated, which `models.classifier.body`
does not do. MVD's numbers come with a cutmix defect: `recipe(name).but(compat="mvd")` has it.
"""

from __future__ import annotations

from typing import Any

from mvkit.errors import OptionError, unknown
from mvkit.eval.spec import FinetuneSpec

_K400: dict[str, Any] = {}  # the defaults of the spec
_SSV2 = {"sampling": "segments", "flip": 0.0, "test_rule": "interleaved", "test_clips": 2}
_SSV2_MVD = {**_SSV2, "sampling": "segments_rounded", "test_rule": "centre"}
_BIG = {"dropout": 0.5, "drop_path": 0.3}
_UCF = {"layer_decay": 0.7, "drop_path": 0.2, "dropout": 0.5, "min_lr": 1e-5}
_MASKAGAIN = {"min_lr": 1e-5}
_UMT = {
    "frames": 8,
    "sampling": "segments_rounded",
    "resize": "bicubic",
    "warmup_lr": 1e-6,
    "lr_counts_repeats": True,
    "test_rule": "sparse",
    "test_clips": 4,
}
_UMT_LARGE = {**_UMT, "drop_path": 0.2, "layer_decay": 0.85}
# After K710: `finetune` starts from the classifier fine-tuned there, with head_rows=range(400) for K400.
_UMT_AFTER = {"epochs": 5, "warmup_epochs": 1, "batch": 256}


def _row(common: dict[str, Any], batch: int, lr: float, epochs: int, **other: Any) -> dict[str, Any]:
    return {**common, "batch": batch, "lr": lr, "epochs": epochs, **other}


RECIPES: dict[str, dict[str, Any]] = {
    "videomae_small_k400": _row(_K400, 384, 5e-4, 150),
    "videomae_base_k400": _row(_K400, 384, 5e-4, 75),  # after 1600 epochs of pre-training
    "videomae_base_k400_800": _row(_K400, 512, 1e-3, 100, repeats=1),
    "videomae_large_k400": _row(_K400, 128, 2e-3, 35),
    "videomae_huge_k400": _row(_K400, 512, 1e-3, 50, drop_path=0.2, dropout=0.5, min_lr=1e-5),
    "videomae_small_ssv2": _row(_SSV2, 384, 1e-3, 40, layer_decay=0.7),
    "videomae_base_ssv2": _row(_SSV2, 384, 5e-4, 30),  # after 2400 epochs
    "videomae_base_ssv2_800": _row(_SSV2, 512, 5e-4, 50, repeats=1),
    "videomae_base_ucf101": _row(_UCF, 128, 5e-4, 100),
    "mvd_small_k400": _row(_K400, 384, 5e-4, 150),
    "mvd_base_k400": _row(_K400, 384, 5e-4, 75),
    "mvd_large_k400": _row(_K400, 512, 1e-3, 50, **_BIG),
    "mvd_huge_k400": _row(_K400, 256, 1e-3, 50, **_BIG),
    "mvd_small_ssv2": _row(_SSV2_MVD, 384, 1e-3, 40, layer_decay=0.7),
    "mvd_base_ssv2": _row(_SSV2_MVD, 384, 5e-4, 30),
    "mvd_large_ssv2": _row(_SSV2_MVD, 256, 5e-4, 30, **_BIG),
    "mvd_huge_ssv2": _row(_SSV2_MVD, 128, 5e-4, 30, **_BIG, min_lr=1e-5),
    "amd_small_k400": _row(_K400, 256, 1e-3, 150),  # one script says 256, another 512: lr 1e-3 or 2e-3
    "amd_base_k400": _row(_K400, 512, 7e-4, 90),
    "amd_small_ssv2": _row(_SSV2, 256, 1e-3, 40),
    "amd_base_ssv2": _row(_SSV2, 256, 5e-4, 30),
    "maskagain_small_k400": _row(_MASKAGAIN, 256, 1e-3, 150),
    "maskagain_base_k400": _row(_MASKAGAIN, 256, 1e-3, 75),
    "maskagain_small_ucf101": _row(_UCF, 128, 5e-4, 100),
    "maskagain_base_ucf101": _row(_UCF, 128, 5e-4, 100),
    "maskagain_small_hmdb51": _row(_UCF, 128, 1e-3, 50, stride=2, test_clips=10),
    "maskagain_base_hmdb51": _row(_UCF, 128, 1e-3, 50),
    "umt_base_k710": _row(_UMT, 256, 2e-4, 35, warmup_epochs=2),
    "umt_large_k710": _row(_UMT_LARGE, 256, 1e-4, 20, warmup_epochs=2),
    **{f"umt_base_{name}": {**_UMT, **_UMT_AFTER, "lr": 2e-5} for name in ("k400", "k600", "k700")},
    **{f"umt_large_{name}": {**_UMT_LARGE, **_UMT_AFTER, "lr": 1e-5} for name in ("k400", "k600", "k700")},
    "umt_base_mit": _row(_UMT, 512, 1e-4, 40, repeats=1),
    "umt_large_mit": _row(_UMT_LARGE, 512, 1e-4, 20, repeats=1),
    "umt_base_ssv2": _row({**_UMT, **_SSV2}, 256, 2e-4, 30),
    "umt_large_ssv2": _row({**_UMT_LARGE, **_SSV2}, 256, 4e-4, 14, warmup_epochs=4),
}


def recipe(name: str) -> FinetuneSpec:
    """A published recipe; change fields with `but`. Raises OptionError for an unknown name."""
    if name not in RECIPES:
        raise OptionError(unknown("fine-tuning recipe", name, RECIPES))
    return FinetuneSpec(**RECIPES[name])


def table() -> list[dict[str, Any]]:
    """A row per recipe, for a data frame: what differs between them, and the rate that is really used."""
    fields = ("epochs", "batch", "repeats", "lr", "layer_decay", "drop_path", "dropout")
    rows = []
    for name in RECIPES:
        spec = recipe(name)
        views = f"{spec.frames}x{spec.test_clips}x{spec.test_crops}"
        values = {field: getattr(spec, field) for field in fields}
        rows.append({"recipe": name, **values, "effective_lr": spec.effective_lr, "views": views})
    return rows
