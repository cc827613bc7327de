"""Budgets of the quickstart: what a laptop learns in a minute, and in ten."""

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
    "long": {"data": {"clips": 768, "val": 256}, "steps": 4000, "warmup": 400, "lr": 0.048, "monitor_every": 1000},
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
