"""MVD's numbers beside the model: VideoMAE's entries, with its own frames of Something-Something and its student."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from mvkit.checkpoints import mvd as layout
from mvkit.data import sampling, views
from mvkit.maskers.tube import TubeMasker
from mvkit.methods.mvd import MVD
from mvkit.models.decoder import TokenDecoder
from mvkit.models.teachers import Teacher
from mvkit.parity import _parameters as parameters
from mvkit.parity._entries import Entries
from mvkit.parity.recording import GroupResult, Recording
from mvkit.parity.videomae_aux import RULES, Rule, check_cases, check_optimiser, ssv2_views


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every entry the recording has."""
    yield from check_cases(recording, recording.entries, _RULES)
    yield from check_optimiser(recording, _pretraining_groups)


def segment_bounds(case: Entries) -> dict[str, Any]:
    low, high = sampling.rounded_bounds(case["duration"], len(case["lowest"]))
    return {"lowest": low.tolist(), "highest": high.tolist()}


def _pretraining_groups(said: Entries) -> parameters.Groups:
    names = list(said)
    encoder = parameters.encoder_like(names)
    roles = [role for role, suffix in _BRANCHES.items() if f"mask_token_{suffix}" in names]
    decoders = {
        role: TokenDecoder(
            encoder.grid,
            in_width=encoder.width,
            project_bias=True,
            **parameters.stack_like(names, f"decoder_{_BRANCHES[role]}."),
        )
        for role in roles
    }
    teacher = Teacher(parameters.encoder_like(names, depth=1), source="made for its grid")
    method = MVD(
        encoder=encoder,
        teachers=dict.fromkeys(roles, teacher),
        decoders=decoders,
        masker=TubeMasker(0.5),
        weights=dict.fromkeys(roles, 1.0),
    )
    return parameters.groups(method, layout.write, weight_decay=parameters.decay_of(said))


_BRANCHES = {"image": "img", "video": "vid"}
_RULES: dict[str, Rule] = {
    **RULES,
    r"ssv2_test_(\d+)x(\d+)": partial(ssv2_views, rule=views.centre_views),
    "ssv2_train_bounds": segment_bounds,
}
