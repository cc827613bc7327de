"""Multiple choice: which of a few captions is the clip's? Paper: UMT, arXiv:2303.16058 (MSR-VTT multiple choice)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mvkit.data.manifest import Manifest
from mvkit.errors import DataError
from mvkit.eval.encoded import EncodedClips, encode_clips, encode_texts
from mvkit.eval.metrics import accuracy
from mvkit.eval.opened import VIEWS, Opened, open_run, read_clips, settings
from mvkit.eval.outcome import CHANCE, Outcome, Row, exact
from mvkit.eval.paired import tuned
from mvkit.eval.tuning import TuneSpec
from mvkit.methods.umt_vl import UmtVl
from mvkit.train.loop import Run

MATCH, CONTRAST = 0.7, 0.3


def choose(match: Tensor, cosines: Tensor, temperature: float, options: Tensor) -> Tensor:
    """0.7 of the match head's yes and 0.3 of the options' softmax -> (n, k), 0 where there is no option.

    match: (n, k, 2) logits, yes last. cosines: (n, k). options: (n, k) bool, which of the k there are.
    """
    shares = (cosines / temperature).masked_fill(~options, -torch.inf).softmax(1)
    return (MATCH * match.softmax(2)[..., 1] + CONTRAST * shares) * options


def choice(
    run: Run | Path | str | Opened,
    manifest: Manifest | Path | str | None = None,
    *,
    split: str = "val",
    frames: int = 0,
    tuning: TuneSpec | None = None,
    device: str = "auto",
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Outcome:
    """Share of the clips of a split whose right caption is chosen among `Sample.choices`, 0 to 1.

    Scores: both heads as published, and each alone. Controls: the middle frame alone, and black frames.
    kind: the part of a sample's group before its number, "all" for all. frames, tuning, progress: as in `retrieval`.
    Left out and named: clips that cannot be read, or that have nothing to choose.
    Raises OptionError for another kind of run, DataError where nothing is left.
    """
    opened = run if isinstance(run, Opened) else open_run(run, manifest, device=device)
    opened, untold = tuned(opened, tuning, progress=progress) if tuning else (opened, {})
    frames = frames or (tuning and tuning.frames) or opened.spec.frames
    asked = opened.manifest.split(split)
    kept = [place for place, sample in enumerate(asked) if sample.choice is not None and len(sample.choices) > 1]
    if not kept:
        raise DataError(f"no clip of {asked.source} ({split}) has choices and the right one: give another manifest")
    clips = read_clips(asked.select(kept), frames=frames, image=opened.spec.image)
    most = max(len(sample.choices) for sample in clips.samples)
    options = torch.tensor([[place < len(s.choices) for place in range(most)] for s in clips.samples])
    kinds = [sample.group.rpartition("-")[0] for sample in clips.samples]
    right = torch.tensor([sample.choice for sample in clips.samples])
    choices = [sample.choices for sample in clips.samples]
    rows = []
    for shown, view in VIEWS.items():
        for scores, found in choice_scores(
            opened.method, encode_clips(opened.method, clips.pixels, view), choices
        ).items():
            # Of equal scores the wrong ones come first: scores that are all the same earn nothing.
            own = found.gather(1, right[:, None])
            correct = ((found >= own) & options).sum(1) == 1
            for kind in ("all", *dict.fromkeys(filter(None, kinds))):
                of_kind = torch.tensor([kind in ("all", other) for other in kinds])
                of = {"shown": shown, "scores": scores, "kind": kind}
                rows.append(Row(of, {"accuracy": accuracy(correct[of_kind])}))
    chance = float((1 / options.sum(1)).mean())
    rows.append(Row({"shown": CHANCE, "scores": "", "kind": "all"}, {"accuracy": exact(chance, len(right))}))
    left_out = {"clips without choices": [str(s.path) for i, s in enumerate(asked) if i not in set(kept)]}
    found = {reason: names for reason, names in {**left_out, **clips.left_out, **untold}.items() if names}
    spec = settings(opened.spec, split=split, frames=frames, clips=len(right), tuning=tuning and tuning.model_dump())
    return Outcome("choice", tuple(rows), found, spec)


@torch.no_grad()
def choice_scores(method: UmtVl, seen: EncodedClips, choices: list[tuple[str, ...]]) -> dict[str, Tensor]:
    """(n, k) each: both heads as published, the match head's yes, the cosine."""
    most = max(map(len, choices))
    match, cosines = torch.zeros(len(choices), most, 2), torch.zeros(len(choices), most)
    options = torch.zeros(len(choices), most, dtype=torch.bool)
    for place, texts in enumerate(choices):
        read, count = encode_texts(method, texts), len(texts)
        tokens = seen.tokens[place : place + 1].expand(count, -1, -1)
        match[place, :count] = method.match(read.states, read.words, tokens).cpu().float()
        cosines[place, :count] = (seen.vectors[place] @ read.vectors.T).mean(0).cpu()
        options[place, :count] = True
    both = choose(match, cosines, float(method.temperature), options)
    return {"both": both, "match": match.softmax(2)[..., 1], "cosine": cosines}
