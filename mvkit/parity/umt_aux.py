"""UMT's numbers beside the model: schedules, frames, crops, masks, layer decay, parameter groups, captions.

Random draws are made again from the recorded seeds by the legacy generators of Python and NumPy that the official code
draws from; the kit's own rules turn them into frames and boxes.
"""

import random
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from mvkit.checkpoints import umt as layout
from mvkit.data import captions, crops, sampling, views
from mvkit.maskers.random import RandomMasker
from mvkit.methods.umt import UMT
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.parity import _parameters as parameters
from mvkit.parity import numpy_masks
from mvkit.parity._entries import Entries
from mvkit.parity.numpy_masks import RandomState
from mvkit.parity.recording import GroupResult, Recording
from mvkit.parity.videomae_aux import Rule, check_cases
from mvkit.tokens import TokenGrid
from mvkit.train.schedule import floored_cosine, warmup_cosine


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every entry under `values` that the recording has."""
    entries = recording.entries["values"]
    yield from check_cases(recording, entries, _RULES)
    for name, compare in (("finetune_layer_decay", _layer_decay), ("stage1_param_groups", _stage_one_groups)):
        if name in entries:
            yield from recording.guarded(name, compare(recording, entries[name]))


def schedule(case: Entries) -> dict[str, Any]:
    args = case["args"]
    epoch = args["niter_per_ep"]
    steps, epochs = args.get("warmup_steps", 0), args.get("warmup_epochs", 0)
    options = {
        "steps": args["epochs"] * epoch,
        # As there: a positive number of steps goes before the epochs.
        "warmup": steps if steps > 0 else int(epochs * epoch),
        "base": args["base_value"],
        "low": args["final_value"],
        "start": args.get("start_warmup_value", 0.0),
    }
    return {"values": [warmup_cosine(step, **options) for step in range(options["steps"])]}


def multiplier(case: Entries) -> dict[str, Any]:
    options = {"warmup": case["num_warmup_steps"], "steps": case["num_training_steps"], "floor": case["min_lr_multi"]}
    return {"values": [floored_cosine(step, **options) for step in range(len(case["values"]))]}


def sparse_clip(case: Entries) -> dict[str, Any]:
    """One clip of several in test mode, the only one in validation."""
    count = {"test": case["test_num_segment"], "validation": 1}[case["mode"]]
    clips = views.sparse_views(case["video_length"], case["num_frames"], count)
    return {"indices": clips[case["clip_idx"]].tolist()}


def segment_clip(case: Entries) -> dict[str, Any]:
    length, frames = case["video_length"], len(case["frame_ids"])
    draws, part = RandomState(case["numpy_seed"]), length // frames
    # A video with fewer frames than parts draws nothing.
    offsets = draws.randint(part, size=frames).tolist() if part else None
    return {"frame_ids": sampling.segments(length, frames, offsets=offsets).tolist()}


def interval_clip(case: Entries) -> dict[str, Any]:
    draws: Any = _PythonDraws(case["python_random_seed"], chosen=case.value["indices"])
    return {"indices": sampling.intervals(case["video_length"], case["num_frames"], generator=draws).tolist()}


def interval_middles(case: Entries) -> dict[str, Any]:
    return {"indices": sampling.interval_middles(case["video_length"], case["num_frames"]).tolist()}


def crop_boxes(case: Entries) -> dict[str, Any]:
    """Several crops of one image size after each other, from one generator."""
    if case["max_distort"] != 1:
        raise ValueError(f"crops.multi_scale_box lets sides be one scale apart, recorded are {case['max_distort']}")
    columns = case["returns"].split(", ")
    samples = []
    for sample in case["samples"]:
        (width, height), draws = sample.plain("image_wh"), _PythonDraws(sample["python_random_seed"])
        boxes = []
        for _ in sample["crops"]:
            box = crops.multi_scale_box(height, width, case["input_size"], draws, scales=case.plain("scales"))
            named = {"crop_w": box.width, "crop_h": box.height, "offset_w": box.left, "offset_h": box.top}
            boxes.append([named[column] for column in columns])
        samples.append({**sample.value, "crops": boxes})
    return {"samples": samples}


def mask_draws(case: Entries) -> dict[str, Any]:
    """Visible tokens of masks drawn one after the other, in the order recorded."""
    grid, draws = TokenGrid(*case.plain("window")), RandomState(case["numpy_seed"])
    makers = {"tube": numpy_masks.tube, "random": numpy_masks.random}
    order = case["order"].split(" then ")
    return {name: np.flatnonzero(~makers[name](grid, case["ratio"], draws)).tolist() for name in order}


def caption(case: Entries) -> dict[str, Any]:
    return {"out": captions.normalise(case["text"])}


def _layer_decay(recording: Recording, said: Entries) -> Iterator[GroupResult]:
    """Scales by official name; the recording names some parameters only."""
    scales = said.plain("scales")
    model = parameters.classifier_like(list(scales), said["num_layers"])
    rates = {"weight_decay": 0.05, "layer_decay": said["layer_decay"]}
    got = parameters.groups(model, parameters.classifier_layout, **rates)
    mine = {name: got[name]["lr_scale"] if name in got else None for name in scales}
    yield recording.same("finetune_layer_decay.scales", mine, scales)


def _stage_one_groups(recording: Recording, said: Entries) -> Iterator[GroupResult]:
    """Names by weight decay; the largest one recorded is taken for the setting."""
    names = [name for group in said for name in group.plain("names")]
    encoder = parameters.encoder_like(names, "encoder.")
    places = TokenGrid(1, encoder.grid.h, encoder.grid.w)
    decoders = len({name.split(".")[1] for name in names if name.startswith("clip_decoder.")})
    width, heads = parameters.WIDTH, parameters.HEADS
    image = VideoViT(places, tubelet=1, patch=encoder.patch, width=width, heads=heads, depth=decoders)
    teacher = Teacher(image, source="made for its depth")
    method = UMT(encoder=encoder, teacher=teacher, masker=RandomMasker(0.5), clip_return_layer=decoders)
    decay = max(group["weight_decay"] for group in said)
    got = parameters.groups(method, layout.write, weight_decay=decay)
    for i, group in enumerate(said):
        mine = sorted(name for name, facts in got.items() if facts["weight_decay"] == group["weight_decay"])
        yield recording.same(f"stage1_param_groups.{i}", mine, sorted(group.value["names"]))


class _PythonDraws:
    """Python's global generator behind NumPy's face: each number a `random.choice` from so many.

    chosen: what a choice of distinct frames gave. It comes from NumPy there, without a recorded seed, so it is taken as
    drawn, and what is checked is only that such a draw exists.
    """

    def __init__(self, seed: int, chosen: Collection[int] = ()) -> None:
        self.source, self.chosen = random.Random(seed), chosen

    def integers(self, low: int, high: np.ndarray | None = None) -> Any:
        if high is None:
            return self.source.choice(range(low))
        return np.array([self.source.choice(range(low, int(end))) for end in high])

    def permutation(self, count: int) -> np.ndarray:
        first = [number for number in dict.fromkeys(self.chosen) if number in range(count)]
        return np.array([*first, *(set(range(count)) - set(first))])


_RULES: dict[str, Rule] = {
    "stage1_lr_schedule": schedule,
    "finetune_lr_schedule": schedule,
    "kinetics_sparse_eval_indices": sparse_clip,
    "stage1_train_frame_ids": segment_clip,
    "stage1_multiscale_crop": crop_boxes,
    "masks": mask_draws,
    "stage2_lr_multiplier": multiplier,
    "stage2_middle_indices": interval_middles,
    "stage2_rand_indices": interval_clip,
    "stage2_text_normalisation": caption,
}
