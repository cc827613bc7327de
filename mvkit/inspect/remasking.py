"""What MaskAgain keeps of the visible tokens, at each of its levels, and whether student and teacher keep the same.

Paper: MaskAgain (ACM MM 2023). Levels as in `methods.maskagain`: "global", the strongest keys of a query over the clip;
"local", the strongest of each step; "output", the tokens whose features are largest in absolute sum.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mvkit.errors import MaskError
from mvkit.inspect.attention import on_grid
from mvkit.losses.remasking import keep_top
from mvkit.maskers.base import TokenMask
from mvkit.methods.maskagain import MaskAgain
from mvkit.models.vit import Encoded

Query = tuple[int, int, int]


class Levels(NamedTuple):
    """Level -> (t, h, w) of one clip, NaN where hidden. kept: 1 where kept, else 0. values: what decided it."""

    kept: dict[str, Tensor]
    values: dict[str, Tensor]


def levels(
    method: MaskAgain, seen: Encoded, block: int, mask: TokenMask, query: Query, *, head: int = 0, row: int = 0
) -> Levels:
    """What one network keeps of clip `row`: keys of the token `query` (t, y, x) in one head, and tokens of its output.

    seen, block: of `method.look` and `method.block`, or those of the teacher. Levels that a mode leaves out of the loss
    are left out here. Raises MaskError for a query that is hidden.
    """
    token = mask.grid.index(*query)
    if bool(mask.hidden[row, token]):
        raise MaskError(f"query {query} is hidden in clip {row}: choose a visible token")
    asked = int((mask.visible_ids[row] < token).sum())
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for level in ("global", "local"):
        if level in method.weights:
            remasked = method.remask(level, seen.heads[block])
            found[level] = (remasked.kept[row, head, asked].flatten(), remasked.prob[row, head, asked].flatten())
    activation = seen.tokens[row].float().abs().sum(-1)
    if "hint" in method.weights:
        found["output"] = (keep_top(activation, method.num_f), activation)
    here = mask[row : row + 1]
    return Levels(
        {level: on_grid(kept[None].float(), mask.grid, here)[0] for level, (kept, _) in found.items()},
        {level: on_grid(values[None], mask.grid, here)[0] for level, (_, values) in found.items()},
    )


@torch.no_grad()
def agreement(method: MaskAgain, student: Encoded, teacher: Encoded) -> dict[str, dict[str, float]]:
    """Level -> "agree": of what the teacher keeps, the share the student keeps too, over all queries, heads and clips;
    "chance": that share if the student kept as many at random.

    student, teacher: of `method.look`. Heads are compared one to one; where their numbers differ there is no pairing,
    and "global" and "local" are left out. What the loss takes at the output is the teacher's choice alone.
    """
    found = {}
    own, theirs = student.heads.get(method.block), teacher.heads.get(method.teacher_block)
    if own is not None and theirs is not None and own.logits.shape == theirs.logits.shape:
        for level in ("global", "local"):
            if level in method.weights:
                found[level] = _shared(method.remask(level, own).kept, method.remask(level, theirs).kept)
    if "hint" in method.weights:
        chosen = [keep_top(seen.tokens.float().abs().sum(-1), method.num_f) for seen in (student, teacher)]
        found["output"] = _shared(*chosen)
    return found


def _shared(own: Tensor, theirs: Tensor) -> dict[str, float]:
    """own, theirs: bool of one shape."""
    return {"agree": float((own & theirs).sum() / theirs.sum()), "chance": float(own.float().mean())}
