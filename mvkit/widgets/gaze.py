"""Rows of an attention explorer: what each model's token, class token or all tokens attend to, and that in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from mvkit.inspect.attention_distance import Reach
from mvkit.inspect.clip_attention import ClipAttention, Who
from mvkit.widgets.audience import Audience, Masking, Place

CLASS = "class"
EACH = "each, a row of its own"


class Asked(NamedTuple):
    """token: (t, y, x) on the grid of the audience, "class", or None for all tokens. layer: of the deepest model.
    heads: as `attention.fuse`, or EACH for a row a head. rollout: its fusion and discard instead of one block."""

    token: Who
    layer: int
    heads: str | int = "mean"
    rollout: tuple[str, float] | None = None
    alone: bool = False


@dataclass(frozen=True)
class Row:
    """label: of two lines. map: (t, h, w) on the model's own grid, NaN all over where `why` says that there is none.
    who: whom it was asked of, on that grid. hatched: why part of it is NaN."""

    label: str
    model: str
    map: np.ndarray
    who: Who
    reach: Reach
    why: str = ""
    hatched: str = ""

    @property
    def relative(self) -> np.ndarray:
        """In multiples of what uniform attention would give each token in view."""
        return self.map * np.isfinite(self.map).sum()


def rows(audience: Audience, place: Place, masking: Masking | None, asked: Asked) -> list[Row]:
    """A row a model, or a head of a model. Raises MvkitError for a mask that cannot be drawn."""
    found = []
    for label, teacher in audience.compared.encoders.items():
        seen, block = audience.attention(label, place, masking), audience.compared.block(label, asked.layer)
        who = asked.token
        if isinstance(who, tuple):
            who = seen.near(who, audience.compared.grid)
        of = f"block {block} of {teacher.encoder.depth}"
        if asked.rollout:
            of = f"blocks 1 to {block}"
        why = _why_not(seen, who, asked)
        maps = torch.full((1, *seen.grid.shape), torch.nan) if why else _maps(seen, block, who, asked)
        hatched = "hatched: hidden by the mask" if seen.mask is not None else ""
        if teacher.per_frame and isinstance(who, tuple) and seen.grid.t > 1:
            hatched = "hatched: not in view, it sees one frame at a time"
        each = asked.heads == EACH and not why and not asked.rollout
        step = audience.step_seconds(place) or 1.0
        for head, part in enumerate(maps, start=1):
            name = f"{label}\n{of}, head {head}" if each else f"{label}\n{of}"
            found.append(Row(name, label, part.cpu().numpy(), who, seen.reach(part, who, step=step), why, hatched))
    return found


def heads_of(encoder: Any) -> int:
    """Heads of an encoder's blocks."""
    attention = getattr(encoder, "network", encoder).blocks[0].attn
    return getattr(attention, "num_heads", None) or attention.heads


def has_class_token(encoder: Any) -> bool:
    """Is there a class token in an encoder?"""
    inner = getattr(encoder, "network", encoder)
    return getattr(inner, "cls_token", getattr(inner, "class_token", None)) is not None


def words(audience: Audience, place: Place, found: list[Row]) -> dict[str, str]:
    """Model and block -> its numbers beside those of uniform attention; of several heads, from least to most."""
    by_model: dict[str, list[Row]] = {}
    for row in found:
        by_model.setdefault(row.model, []).append(row)
    told = {}
    for model, own in by_model.items():
        name = own[0].label.split(", head")[0].replace("\n", ", ")
        told[name] = own[0].why or _numbers(audience, place, model, own)
    return told


def query_words(audience: Audience, place: Place, token: tuple[int, int, int]) -> str:
    """A token's place in the grid, and in seconds from the start of the video where that is known."""
    (t, h, w), (step, row, column) = audience.compared.grid.shape, token
    seconds = audience.step_seconds(place)
    when = ""
    if seconds:
        start = place.start * seconds * t / audience.compared.frames / place.stride
        when = f" ({start + step * seconds:.2f} to {start + (step + 1) * seconds:.2f} s)"
    return f"step {step + 1} of {t}{when}, row {row + 1} of {h}, column {column + 1} of {w}"


def _why_not(seen: ClipAttention, who: Who, asked: Asked) -> str:
    """Why there is no such map; empty where there is one."""
    if isinstance(who, tuple) and seen.hides(who):
        return "this token is hidden by the mask: click one that is not"
    if who == CLASS and not seen.class_token:
        return "no class token, and none is made up"
    if not asked.rollout and isinstance(asked.heads, int) and asked.heads >= seen.heads:
        return f"it has heads 1 to {seen.heads}"
    return ""


def _maps(seen: ClipAttention, block: int, who: Who, asked: Asked) -> torch.Tensor:
    """(1, t, h, w), or (heads, t, h, w)."""
    if asked.rollout:
        fusion, discard = asked.rollout
        return seen.rollout(block, who, fusion=fusion, discard=discard, drop_self=asked.alone)[None]
    heads = "all" if asked.heads == EACH else asked.heads
    found = seen.map(block, who, heads=heads, drop_self=asked.alone and isinstance(who, tuple))
    return found if asked.heads == EACH else found[None]


def _numbers(audience: Audience, place: Place, model: str, own: list[Row]) -> str:
    said = [f"entropy {_span([row.reach.entropy for row in own])} of uniform"]
    if isinstance(own[0].who, tuple):
        first, (high, wide) = own[0].reach, audience.sizes[model]
        frames = "" if len(set(audience.sizes.values())) == 1 else f" of its {high}x{wide}"
        space = _span([row.reach.space for row in own], ".1f")
        said.append(f"{space} pixels{frames} away (uniform {float(first.uniform_space):.1f})")
        if audience.compared.encoders[model].per_frame:
            said.append("sees one frame at a time")
        else:
            unit = "s" if audience.step_seconds(place) else "steps"
            time = _span([row.reach.time for row in own])
            other = _span([row.reach.other_steps for row in own], ".0%")
            said.append(f"{time} {unit} away (uniform {float(first.uniform_time):.2f})")
            said.append(f"{other} in other steps (uniform {float(first.uniform_other_steps):.0%})")
    heads = f"{len(own)} heads: " if len(own) > 1 else ""
    return heads + ", ".join(said)


def _span(values: list[torch.Tensor], form: str = ".2f") -> str:
    low, high = (format(float(pick(torch.stack(values)).item()), form) for pick in (torch.min, torch.max))
    return low if low == high else f"{low} to {high}"
