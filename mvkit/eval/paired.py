"""Fine-tuning on clips and captions: contrast and matching of whole clips, as retrieval and multiple choice want it.

Paper: UMT, arXiv:2303.16058. Nothing is hidden, there is no teacher, and each step of a clip has its own vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mvkit.data.captions import normalise
from mvkit.data.manifest import Manifest
from mvkit.data.sample import Sample
from mvkit.errors import DataError
from mvkit.eval.opened import Opened
from mvkit.eval.tuning import TuneSpec, tune, with_drop_path
from mvkit.losses.contrastive import contrastive_loss
from mvkit.losses.matching import draw_negatives, matching_loss, pairs
from mvkit.methods.umt_vl import UmtVl, similarities


def tuned(
    opened: Opened,
    spec: TuneSpec,
    *,
    train: str = "train",
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[Opened, dict[str, list[str]]]:
    """A copy of a run, fine-tuned on the captions of a split, and what it could not learn from, named.

    Captions of one clip, and equal captions, are never each other's negatives. Raises DataError without captions.
    """
    manifest, left_out = with_captions(opened.manifest.split(train), spec.captions)
    items = [(place, text) for place, sample in enumerate(manifest) for text in words_of(sample, spec.captions)]
    groups = torch.tensor(caption_groups([sample.captions for sample in manifest]))
    method = deepcopy(opened.method)
    method.encoder = with_drop_path(method.encoder, spec.drop_path)

    def loss(clips: Tensor, numbers: list[int], drawn: torch.Generator) -> Tensor:
        own = groups[[items[number][0] for number in numbers]].to(clips.device)
        return paired_loss(method, clips, [items[number][1] for number in numbers], own, drawn)

    dataset = spec.dataset(manifest, opened.spec.frames, opened.spec.image)
    broken = tune(method, dataset, [place for place, _ in items], spec, loss, progress=progress)
    found = {**left_out, **({"clips that cannot be read": broken} if broken else {})}
    return replace(opened, method=method), {f"{reason} ({train})": names for reason, names in found.items()}


def paired_loss(
    method: UmtVl, clips: Tensor, captions: Sequence[str], groups: Tensor, generator: torch.Generator
) -> Tensor:
    """Contrast plus matching -> (). groups: (B,) numbers; equal ones are not each other's negatives."""
    ids, words = (part.to(clips.device) for part in method.tokenizer(captions))
    seen, states = method.see(clips), method.text.read(ids, words)
    with torch.autocast(clips.device.type, enabled=False):  # bf16's error of 0.004, over 0.07, would be 0.06
        similarity = similarities(method.embed(seen.pooled.float()), method.embed_text(states.float()))
        contrast = contrastive_loss(similarity, temperature=method.cool(), groups=groups)
    negatives = draw_negatives(similarity.detach() / method.temperature.detach(), groups, generator)
    return contrast + matching_loss(method.match(*pairs(states, words, seen.tokens, *negatives)), len(clips))


def words_of(sample: Sample, most: int = 0) -> tuple[str, ...]:
    """The captions of a sample that hold a word, the first `most`; 0 takes all."""
    found = tuple(text for text in sample.captions if normalise(text))
    return found[:most] if most else found


def with_captions(manifest: Manifest, most: int = 0) -> tuple[Manifest, dict[str, list[str]]]:
    """The samples that have a caption, and what is left out, named. Raises DataError if none has one."""
    told = [place for place, sample in enumerate(manifest) if words_of(sample, most)]
    left_out = {
        "clips without a caption": [str(sample.path) for sample in manifest if not words_of(sample, most)],
        "captions without a word": [f"{s.path}: {t!r}" for s in manifest for t in s.captions if not normalise(t)],
    }
    if not told:
        raise DataError(f"none of the {len(manifest)} clips of {manifest.source} has a caption: give another manifest")
    return manifest.select(told), {reason: names for reason, names in left_out.items() if names}


def caption_groups(captions: Sequence[Sequence[str]]) -> list[int]:
    """A number for each clip; clips that share a caption word for word, if over a third one, have the same."""
    groups: list[int] = []
    first: dict[str, int] = {}
    for place, texts in enumerate(captions):
        keys = {normalise(text) for text in texts}
        known = {groups[first[key]] for key in keys & first.keys()}
        groups = [min(known) if group in known else group for group in groups] + [min(known, default=place)]
        first |= dict.fromkeys(keys - first.keys(), place)
    return groups
