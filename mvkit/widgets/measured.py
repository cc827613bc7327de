"""One strategy on one clip: the mask, its statistics, where such masks fall, and the Python that makes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mvkit import maskers
from mvkit.inspect.masks import mask_statistics, mask_variety
from mvkit.maskers import MaskSet, TokenMask
from mvkit.widgets import measures, painting
from mvkit.widgets.footage import Window
from mvkit.widgets.strategy import call_of

PAINTED = "painted"  # the name of a mask that no strategy made


@dataclass(frozen=True)
class Guide:
    """What stands where a masker asks for a teacher's attention: (1, t, h*w), in words, and as code."""

    values: Tensor
    words: str
    code: str


@dataclass(frozen=True)
class Measured:
    """A mask of one clip and all that is shown of it. Statistics are of the role that is trained.

    often: (h, w) share of masks that hide a place. code: an expression; uses_window: whether it reads `window`.
    said: what the masker looked at, "" for nothing.
    """

    mask: TokenMask | MaskSet
    statistics: dict[str, float]
    often: np.ndarray
    code: str
    uses_window: bool = False
    said: str = ""


@contextmanager
def one_thread() -> Iterator[None]:
    """Masks are small: on a busy machine threads that wait for each other made a picture take five times its work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
def measure(name: str, options: Mapping[str, Any], window: Window, seed: int, guide: Guide) -> Measured:
    """Draw a strategy's mask of one clip, and as many others as tell where it hides. Raises MvkitError."""
    masker = maskers.create(name, **options)
    seen = window.context(masker.needs, guide.values)
    mask = masker(window.grid, 1, generator=_seeded(seed), context=seen)
    alike = window.context(masker.needs, guide.values, batch=measures.MANY)
    many = masker(window.grid, measures.MANY, generator=_seeded(seed), context=alike).primary
    stats = statistics(mask.primary, window, guide) | mask_variety(many)
    looked, said = {"video": "window.video"}, []
    if masker.needs & {"attention", "loss"}:
        looked |= {"attention": guide.code, "loss": f"{guide.code}.flatten(1)"}
        said = [guide.words]
    if "features" in masker.needs:
        looked["features"], said = "window.tokens", [*said, "the pixels of the tokens stand in for features"]
    given = ", ".join(f"{need}={looked[need]}" for need in sorted(masker.needs))
    generator = f"generator=torch.Generator().manual_seed({seed})"
    context = f", context=mvkit.maskers.MaskContext({given})" if given else ""
    code = f"{call_of(name, options)}(mvkit.TokenGrid{window.grid.shape}, 1, {generator}{context})"
    often = many.volume().float().mean((0, 1)).numpy()
    return Measured(mask, stats, often, code, bool(given), "; ".join(said))


def measure_painted(text: str, window: Window, guide: Guide) -> Measured:
    """The same of a mask painted by hand, which is always where it is. Raises MaskError."""
    mask = painting.mask_of(text, window.grid)
    often = mask.volume().float().mean((0, 1)).numpy()
    of_many = mask_variety(mask)  # there is but one
    stats = {name: value for name, value in statistics(mask, window, guide).items() if name not in of_many}
    return Measured(mask, stats, often, painting.code_of(text, window.grid))


def statistics(mask: TokenMask, window: Window, guide: Guide) -> dict[str, float]:
    """All that `mask_statistics` can say of a mask of this clip."""
    return mask_statistics(mask, flow=window.flow, motion=window.motion, saliency=guide.values)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
