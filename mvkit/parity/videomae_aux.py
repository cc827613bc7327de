"""VideoMAE's numbers beside the model: frames, test views, the schedule, parameter groups, masks from NumPy seeds.

The names of the test entries say how many clips and crops they take: `k400_test_5x3`. MVD's code began as this one, and
its recordings are built alike; `mvd_aux` replaces what differs.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from mvkit.checkpoints import videomae as layout
from mvkit.data import sampling, views
from mvkit.maskers.tube import TubeMasker
from mvkit.methods.videomae import VideoMAE
from mvkit.models.decoder import TokenDecoder
from mvkit.parity import _parameters as parameters
from mvkit.parity._entries import Entries
from mvkit.parity.numpy_masks import RandomState, tube
from mvkit.parity.recording import GroupResult, Recording
from mvkit.tokens import TokenGrid
from mvkit.train.schedule import warmup_cosine

Rule = Callable[..., dict[str, Any]]
Views = Callable[[int, int, int], list[np.ndarray]]
K400_STRIDE = 4  # of the official fine-tuning and test, where an entry does not say


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every entry the recording has."""
    yield from check_cases(recording, recording.entries, RULES)
    yield from check_optimiser(recording, _pretraining_groups)


def check_cases(recording: Recording, entries: Entries, rules: Mapping[str, Rule]) -> Iterator[GroupResult]:
    """Each entry, a case or a list of them, by the rule whose pattern its name fits; numbers in the name go first."""
    for name in entries:
        for pattern, rule in rules.items():
            if match := re.fullmatch(pattern, name):
                entry = entries[name]
                cases = entry if isinstance(entry.value, list) else [entry]
                results = recording.computed(name, cases, partial(rule, *map(int, match.groups())))
                yield from recording.guarded(name, results)


def check_optimiser(recording: Recording, pretraining: Callable[[Entries], parameters.Groups]) -> Iterator[GroupResult]:
    """Parameter groups of fine-tuning, and those that `pretraining` gives for a pre-training model."""
    name = "finetune_param_groups"
    if name in recording.entries:
        results = parameters.check_finetuning(recording, name, recording.entries[name])
        yield from recording.guarded(name, results)
    name = "pretrain_param_groups"
    if name in recording.entries:
        results = parameters.check_groups(recording, name, recording.entries[name], pretraining)
        yield from recording.guarded(name, results)


def k400_views(clips: int, crops: int, case: Entries) -> dict[str, Any]:
    """Clips over every 4th frame; `loaded_frames` are all of those, as many as the clips together can reach."""
    length, stride = case["duration"], case.get("sampling_rate", K400_STRIDE)
    frames = _frames(case)
    whole = views.strided_views(length, max(frames, -(-length // stride)), stride, views=1)[0]
    return {"loaded_frames": whole.tolist(), **_views(case, views.strided_views(length, frames, stride, clips), crops)}


def ssv2_views(clips: int, crops: int, case: Entries, rule: Views = views.interleaved_views) -> dict[str, Any]:
    """Evenly spread clips; `loaded_frames` are the frames of all of them, in order."""
    taken = rule(case["duration"], _frames(case), clips)
    return {"loaded_frames": np.stack(taken, axis=1).reshape(-1).tolist(), **_views(case, taken, crops)}


def _frames(case: Entries) -> int:
    return len(case["views"][0]["frames"])


def _views(case: Entries, clips: list[np.ndarray], crops: int) -> dict[str, Any]:
    """What every view must be, in the order of the recording; sizes go by the short side after resizing."""
    size = min(case.value["resized_h"], case.value["resized_w"])
    height, width = views.short_side(case["src_h"], case["src_w"], size)
    origins = views.crop_origins(height, width, size, crops)
    made = [
        {"chunk": c, "split": s, "frames": clip.tolist(), "top": top, "left": left, "h": size, "w": size}
        for c, clip in enumerate(clips)
        for s, (top, left) in enumerate(origins)
    ]
    return {"resized_h": height, "resized_w": width, "views": made}


def dense_short(case: Entries) -> dict[str, Any]:
    stride, frames = case.get("sampling_rate", K400_STRIDE), len(case["frames"])
    return {"frames": sampling.dense_finetune(case["duration"], frames, stride).tolist()}


def dense_long(case: Entries) -> dict[str, Any]:
    length, frames = case["duration"], len(case["frames"])
    stride = case.get("sampling_rate", K400_STRIDE)
    return {
        "randint_low_inclusive": frames * stride,
        "randint_high_exclusive": length,
        "frames": sampling.dense_finetune(length, frames, stride, end=case["drawn_end"]).tolist(),
    }


def segment_bounds(case: Entries) -> dict[str, Any]:
    length, frames = case["duration"], len(case["lowest"])
    last = max(length // frames - 1, 0)
    low, high = (sampling.segments(length, frames, offsets=[offset] * frames) for offset in (0, last))
    return {"lowest": low.tolist(), "highest": high.tolist()}


def pretraining_clip(case: Entries) -> dict[str, Any]:
    length, stride, frames = case["duration"], case["sampling_rate"], len(case["frames"])
    starts = sampling.dense_starts(length, frames, stride)
    clip = sampling.dense(length, frames, stride, start=case["drawn_start"] if starts > 1 else None)
    # A video that is too short draws nothing, which the recording writes as null.
    possible = starts if length >= frames * stride else None
    return {"n_possible_starts": possible, "drawn_start": int(clip[0]), "frames": clip.tolist()}


def schedule(case: Entries) -> dict[str, Any]:
    epoch = case["steps_per_epoch"]
    options = {"steps": case["epochs"] * epoch, "warmup": int(case["warmup_epochs"] * epoch)}
    options |= {"base": case["base"], "low": case["final"], "start": case.get("start", 0.0)}
    return {"values": [warmup_cosine(step, **options) for step in range(options["steps"])]}


def tube_mask(case: Entries) -> dict[str, Any]:
    """The official draw, and the count that the kit's own masker keeps."""
    grid, ratio = TokenGrid(*case.plain("grid")), case["ratio"]
    hidden = tube(grid, ratio, RandomState(case["numpy_seed"]))
    step = hidden[: grid.places]
    return {
        "masked_per_slot": int(step.sum()),
        "masked_total": int(hidden.sum()),
        "visible_total": TubeMasker(ratio=ratio).counts(grid)["encoder"],
        "slot0_masked_positions": np.flatnonzero(step).tolist(),
    }


def _pretraining_groups(said: Entries) -> parameters.Groups:
    names = list(said)
    encoder = parameters.encoder_like(names, "encoder.")
    decoder = TokenDecoder(encoder.grid, in_width=encoder.width, **parameters.stack_like(names, "decoder."))
    method = VideoMAE(encoder=encoder, decoder=decoder, masker=TubeMasker(0.5))
    return parameters.groups(method, layout.write, weight_decay=parameters.decay_of(said))


RULES: dict[str, Rule] = {
    r"k400_test_(\d+)x(\d+)": k400_views,
    r"ssv2_test_(\d+)x(\d+)": ssv2_views,
    "k400_train_short_video": dense_short,
    "k400_train_long_video": dense_long,
    "ssv2_train_bounds": segment_bounds,
    "pretrain": pretraining_clip,
    "cosine_scheduler": schedule,
    "tube_mask": tube_mask,
}
