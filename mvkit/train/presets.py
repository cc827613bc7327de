"""Budgets for moving_shapes on a laptop: the quickstart's, and those of every method and its teachers."""

from collections.abc import Mapping
from typing import Any

from mvkit.errors import OptionError, unknown
from mvkit.train.spec import RunSpec

# Raw-pixel targets and a separable position table: at these budgets the papers' normalised targets and flat table had
# hardly left the trivial loss (reports/LOG.md). Both stay the defaults of the method itself.
_TINY = {
    "size": "tiny",
    "patch": 8,
    "normalise_targets": False,
    "position": "sincos_3d",
}
_COMMON: dict[str, Any] = {
    "options": _TINY,
    "frames": 8,
    "stride": 2,
    "image": 64,
    "batch": 16,
    "clip_grad": 1.0,
    "cache": True,
    "log_every": 20,
}
_QUICKSTART: dict[str, dict[str, Any]] = {
    "quick": {"data": {"clips": 320, "val": 64}, "steps": 2400, "warmup": 100, "lr": 0.048, "monitor_every": 800},
    "long": {"data": {"clips": 768, "val": 256}, "steps": 10000, "warmup": 400, "lr": 0.048, "monitor_every": 2500},
}
# Tubes make the clearer pictures. Random tokens make a small model look at motion: what is hidden here is often visible
# one step earlier or later, somewhere else in the picture (reports/LOG.md has both).
_MASKS: dict[str, dict[str, Any]] = {
    "quick": {"masker": "tube", "ratio": 0.75},
    "long": {"masker": "random", "ratio": 0.9},
}


def quickstart(
    preset: str = "quick", *, clips: int = 0, steps: int = 0, masker: str = "auto", ratio: float = 0.0, seed: int = 0
) -> RunSpec:
    """The spec of notebook 00: `quick` (a minute of training on two CPU cores) or `long` (several).

    clips: sample clips, a fifth of them held out; steps, masker, ratio: as in `RunSpec` and its method; 0 or "auto"
    takes the preset's.
    Raises OptionError for an unknown preset.
    """
    if preset not in _QUICKSTART:
        raise OptionError(unknown("preset", preset, _QUICKSTART))
    chosen = {**_COMMON, **_QUICKSTART[preset], "seed": seed}
    chosen["options"] = {**_TINY, **_MASKS[preset]}
    if masker != "auto":
        chosen["options"]["masker"] = masker
    if ratio:
        chosen["options"]["ratio"] = ratio
    if clips:
        chosen["data"] = {"clips": clips, "val": max(1, clips // 5)}
    if steps:
        chosen |= {"steps": steps, "warmup": min(chosen["warmup"], steps // 10)}
    return RunSpec(**chosen)


# Every method sees the clips of the long quickstart. A tiny encoder, 64 pixels, 4 x 8 x 8 tokens; teachers are as small
# as their students, so what is seen is what a teacher adds, not what size does.
_SET = {"data": {"clips": 768, "val": 256, "seed": 0}, "teacher_cache": 2048}
_SHAPE = {"size": "tiny", "patch": 8}
_FLAT = {"normalise_targets": False}
_SPACE = {"position": "sincos_3d"}
# method -> its options, batch and base rate, and steps of the quick and the long budget.
_METHODS: dict[str, dict[str, Any]] = {
    "videomae": {
        "options": {**_FLAT, **_SPACE, "masker": "random", "ratio": 0.9},
        "lr": 0.048,
        "steps": {"quick": 2400, "long": 10000},
    },
    "mae": {"options": {**_FLAT}, "batch": 64, "lr": 0.012, "steps": {"quick": 1000, "long": 6000}},
    # More captions than students have clips: with 512 of them colours tell nearly every pair apart, and shapes are not
    # needed (reports/LOG.md). Another seed, so that no clip it sees is one that students are tested on.
    "clip_frames": {
        "options": {**_SPACE, "out_width": 64},
        "data": {"clips": 2304, "val": 256, "seed": 1},
        "batch": 128,
        "lr": 0.003,
        "steps": {"quick": 300, "long": 1200},
    },
    # Raw features have deviations of 12 and 25 here, and the loss stays flat: the student gives one constant answer.
    # Normalised ones are learned; raw stay the method's default, as in the released scripts. With decoders as wide and
    # deep as the paper's a step costs 2.5 times as much, and steps are what is missing (reports/LOG.md).
    "mvd": {
        "options": {
            **_SPACE,
            "masker": "random",
            "ratio": 0.9,
            "norm_feature": True,
            "decoder_depth": 1,
            "feat_decoder_embed_dim": 64,
            "feat_decoder_num_heads": 2,
        },
        "lr": 0.048,
        "steps": {"quick": 2000, "long": 8000},
    },
    "amd": {"options": {**_FLAT, **_SPACE}, "lr": 0.048, "steps": {"quick": 1000, "long": 4000}},
    "maskagain": {"options": {**_SPACE, "ratio": 0.75}, "lr": 0.048, "steps": {"quick": 1200, "long": 3000}},
    "umt": {"options": {**_SPACE, "tubelet": 2, "ratio": 0.75}, "lr": 0.048, "steps": {"quick": 1200, "long": 3000}},
    # Two stories in turn, seen whole (8 frames, every third). Clips of one scene share a batch: without such negatives
    # the contrast is solved by looks alone, and one frame finds as much as the clip (reports/LOG.md).
    "umt_vl": {
        "options": {**_SPACE, "tubelet": 2, "ratio": 0.75, "text_size": "tiny", "embed_width": 64, "image_share": 0.25},
        "data": {"clips": 2560, "val": 512, "seed": 0, "story": "all"},
        "grouped": True,
        "stride": 3,
        "batch": 32,
        "lr": 0.008,
        "steps": {"quick": 400, "long": 3000},
    },
}


def embedded(
    method: str, preset: str = "quick", *, teachers: Mapping[str, str] | None = None, steps: int = 0, seed: int = 0
) -> RunSpec:
    """The spec of a method on moving_shapes: `quick` (about a minute) or `long` (several).

    teachers: options that name its teachers, of `chain.teachers`. steps: 0 takes the preset's.
    Raises OptionError for an unknown method or preset.
    """
    if method not in _METHODS:
        raise OptionError(unknown("method with a preset", method, _METHODS))
    known = _METHODS[method]
    if preset not in known["steps"]:
        raise OptionError(unknown("preset", preset, known["steps"]))
    chosen = {**_COMMON, **_SET, **{k: v for k, v in known.items() if k not in ("options", "steps")}}
    chosen["options"] = {**_SHAPE, **known["options"], **(teachers or {})}
    length = steps or known["steps"][preset]
    return RunSpec(**{**chosen, "method": method, "steps": length, "warmup": length // 10, "seed": seed})
