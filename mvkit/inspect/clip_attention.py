"""One clip's attention in every block of one encoder, kept where it was computed: any map is then a small product.

Queries and keys of all blocks are captured in one run of the encoder; at ViT-B and 1,568 tokens that is 115 MB. A map
of a token is then one matrix-vector product a head. Maps that all tokens take part in (received, rollout) are slower
the first time, and kept: what tokens receive as a map, rollout as its matrices.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from mvkit.errors import MaskError, OptionError, ShapeError
from mvkit.inspect.attention import fuse, under
from mvkit.inspect.attention_distance import Reach, row_reach
from mvkit.inspect.query_keys import QueryKeys, query_keys
from mvkit.inspect.rollout import Kept, rollout
from mvkit.maskers.base import TokenMask
from mvkit.models.frames import Encoder, sees_frames
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid

Who = tuple[int, int, int] | str | None  # a token (t, y, x), "class", or None for the mean over all tokens


class ClipAttention:
    """clip: (1, 3, T, H, W) in [0, 1]. encoder: as `inspect.query_keys.encode` takes it, in the mode it is in. steps:
    of an image encoder, how many frames it sees, None for all. mask: of a video encoder, for this clip.

    grid: the maps lie on it, NaN where a token is hidden or was not in view. Raises ShapeError.
    """

    def __init__(
        self, encoder: Encoder | Teacher, clip: Tensor, *, steps: int | None = None, mask: TokenMask | None = None
    ) -> None:
        inner: Any = encoder.encoder if isinstance(encoder, Teacher) else encoder
        frames = sees_frames(inner)
        if clip.ndim != 5 or len(clip) != 1:
            raise ShapeError(f"one clip (1, 3, T, H, W) is asked, got {tuple(clip.shape)}")
        if frames and mask is not None:
            raise ShapeError("an image encoder sees the frames of a clip one by one, whole: ask it without a mask")
        t = inner.grid.t if not frames else clip.shape[2] if steps is None else steps
        self.encoder, self.depth, self.patch = encoder, inner.depth, inner.patch
        self.grid = TokenGrid(t, inner.grid.h, inner.grid.w)
        device = inner.mean.device
        self.clip, self.mask = clip.to(device), None if mask is None else mask.to(device)
        self._received = lru_cache(None)(self._all_received)
        self._rolled: dict[tuple[str, float], Kept] = {}

    @cached_property
    def blocks(self) -> dict[int, QueryKeys]:
        """Number, from 1 -> queries and keys."""
        return query_keys(self.encoder, self.clip, range(1, self.depth + 1), mask=self.mask, steps=self.grid.t)

    @property
    def heads(self) -> int:
        return self.blocks[1].keys.shape[1]

    @property
    def class_token(self) -> bool:
        return self.blocks[1].class_token

    def hides(self, token: tuple[int, int, int]) -> bool:
        """Is this token (t, y, x) hidden by the mask? Raises ShapeError outside the grid."""
        place = self.grid.index(*token)
        return self.mask is not None and bool(self.mask.hidden[0, place])

    def near(self, token: tuple[int, int, int], grid: TokenGrid) -> tuple[int, int, int]:
        """The token that holds the middle of one (t, y, x) of another grid over the same clip. Raises ShapeError."""
        return under(token, grid, self.grid)

    def nearest_visible(self, token: tuple[int, int, int]) -> tuple[int, int, int]:
        """The token that the mask leaves visible nearest to this one (t, y, x), the first of those; itself if it is.

        Raises ShapeError outside the grid, MaskError where nothing is visible.
        """
        if not self.hides(token):
            return token
        assert self.mask is not None
        places = [self.grid.place(number) for number in self.mask.visible_ids[0].tolist()]
        if not places:
            raise MaskError(f"{self.mask!r} shows nothing: there is no token to ask")
        return min(places, key=lambda place: sum((a - b) ** 2 for a, b in zip(place, token, strict=True)))

    def map(self, block: int, who: Who, *, heads: str | int = "mean", drop_self: bool = False) -> Tensor:
        """What `who` attends to in a block: (t, h, w), or (heads, t, h, w) for heads="all".

        who: (t, y, x), "class", or None: what every token receives. heads: as `attention.fuse`. drop_self: as
        `QueryKeys.query_map`. Raises OptionError, ShapeError, MaskError for a token that is hidden.
        """
        one = self._block(block)
        if isinstance(who, tuple):
            return one.query_map(who, heads=heads, drop_self=drop_self)[0]
        if who == "class":
            return one.class_map(heads=heads)[0]
        return fuse(self._received(block), heads)[0]

    def rollout(
        self, block: int, who: Who, *, fusion: str = "mean", discard: float = 0.0, drop_self: bool = False
    ) -> Tensor:
        """The blocks up to this one followed through, as `inspect.rollout.rollout`: (t, h, w).

        drop_self: NaN at the token that is asked, the rest sums to 1. Raises as `map` and `rollout` do.
        """
        self._block(block)
        if (fusion, discard) not in self._rolled:  # matrices of one kind only: they are the size of the attention
            self._rolled = {(fusion, discard): {}}
        first = {number: self.blocks[number] for number in range(1, block + 1)}
        found = rollout(first, who, fusion=fusion, discard=discard, kept=self._rolled[fusion, discard])[0]
        if drop_self and isinstance(who, tuple):
            found = found.clone()
            found[who] = torch.nan
            found /= found.nansum()
        return found

    def reach(self, found: Tensor, who: Who, *, step: float) -> Reach:
        """How far and how widely a map (t, h, w) of `who` looks, in pixels of this encoder's frames and, with `step`
        seconds from one step to the next, in seconds; `row_reach`'s, each (1,)."""
        return row_reach(found[None], who if isinstance(who, tuple) else None, patch=self.patch, step=step)

    def _block(self, number: int) -> QueryKeys:
        if number not in self.blocks:
            raise OptionError(f"block {number} does not exist: this encoder has blocks 1 to {self.depth}")
        return self.blocks[number]

    def _all_received(self, block: int) -> Tensor:
        return self._block(block).received(heads="all")
