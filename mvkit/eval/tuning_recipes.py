"""The published fine-tunings with words by name: `umt_<size>_<set>` for retrieval, `umt_<size>_<set>_qa` for questions.

From the released scripts of UMT (arXiv:2303.16058): 12 frames, batch 256 over 8 GPUs, and a rate that no batch scales.

>>> print(tuning_recipe("umt_base_msrvtt").lr)
2e-05

Where scripts differ with the corpus of pre-training, the first of a range is taken: rates 1e-5 to 2e-5 (MSR-VTT, base)
and 4e-5 to 5e-5 (SSv2 labels); epochs 10 to 15 (DiDeMo), 8 to 10 (LSMDC), 3 to 5 (MSVD), 5 to 10 (SSv2 templates); for
questions rates 2e-5 to 4e-5 and 5 to 8 epochs (MSR-VTT), 2e-5 to 6e-5 and 6 to 15 (MSVD), 10 to 12 (ActivityNet). Drop
path is 0.1 to 0.3 for retrieval, 0.2 to 0.4 for questions. A text is as long as the run's `max_words`: 150 there on
ActivityNet, 96 on LSMDC, 64 on MSVD, 25 on SSv2 labels. DiDeMo and ActivityNet join a video's captions into one.
"""

from __future__ import annotations

from typing import Any

from mvkit.errors import OptionError, unknown
from mvkit.eval.tuning import TuneSpec

_COMMON: dict[str, Any] = {"frames": 12, "batch": 256, "augment": "random_resized", "flip": 0.5}
_BASE, _LARGE = {"drop_path": 0.1}, {"drop_path": 0.2}
_QA = {"drop_path": 0.2}
_SSV2 = {"flip": 0.0}  # left and right are in the captions

RECIPES: dict[str, dict[str, Any]] = {
    "umt_base_msrvtt": {**_BASE, "lr": 2e-5, "epochs": 10},
    "umt_large_msrvtt": {**_LARGE, "lr": 2e-5, "epochs": 7},
    "umt_base_didemo": {**_BASE, "lr": 2e-5, "epochs": 10},
    "umt_large_didemo": {**_LARGE, "lr": 4e-5, "epochs": 5},
    "umt_base_activitynet": {**_BASE, "lr": 4e-5, "epochs": 20},
    "umt_base_lsmdc": {**_BASE, "lr": 2e-5, "epochs": 8},
    "umt_base_msvd": {**_BASE, "lr": 1e-5, "epochs": 3},
    "umt_base_ssv2_label": {**_BASE, **_SSV2, "lr": 4e-5, "epochs": 10},
    "umt_base_ssv2_template": {**_BASE, **_SSV2, "lr": 1e-4, "epochs": 5},
    "umt_base_msrvtt_qa": {**_QA, "lr": 2e-5, "epochs": 5},
    "umt_base_msvd_qa": {**_QA, "lr": 2e-5, "epochs": 6},
    "umt_base_activitynet_qa": {**_QA, "lr": 4e-5, "epochs": 10},
}


def tuning_recipe(name: str) -> TuneSpec:
    """A published recipe; change fields with `but`. Raises OptionError for an unknown name."""
    if name not in RECIPES:
        raise OptionError(unknown("recipe of a task with words", name, RECIPES))
    return TuneSpec(**{**_COMMON, **RECIPES[name]})
