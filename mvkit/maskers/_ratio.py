"""From a ratio to a count: the parameters that most strategies share, and both rounding rules."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from mvkit.errors import MaskError
from mvkit.maskers._select import refuse_unless
from mvkit.maskers.base import Masker, option


def rounding_option() -> Any:
    """How a ratio becomes a count; see `count_visible`."""
    return option(
        "masked_floor",
        "which count is rounded down: the hidden one (VideoMAE's code) or the visible one (MAE's code)",
        choices=("masked_floor", "keep_floor"),
    )


def count_visible(size: int, ratio: float, rounding: str) -> int:
    """Tokens left visible of `size` when `ratio` is hidden: 157 of 1568 at 0.9, or 156 with `keep_floor`."""
    if rounding == "keep_floor":
        # No epsilon: 1960 * (1 - 0.9) is 195.99... and MAE's code keeps 195.
        return int(size * (1 - ratio))
    return size - int(size * ratio + 1e-6)


@dataclass(frozen=True)
class RatioMasker(Masker):
    """A masker that hides one share of a group: the clip's tokens, a step's places, the steps, as its ratio says.

    keep: how many of that group stay visible, in place of a share: `TubeMasker(keep=20)` shows 20 places of every
    step, whatever the grid, and no rounding rule has a say. Raises MaskError if a ratio or a rounding is given
    besides, and on a grid whose group is smaller.
    """

    ratio: float = option(0.9, "share hidden", low=0, high=1)
    rounding: str = rounding_option()
    keep: int | None = option(None, "how many stay visible of what the ratio is a share of, instead of it", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for f in fields(self):
            value = getattr(self, f.name)
            if self.keep is not None and f.name in ("ratio", "rounding") and value != f.default:
                raise MaskError(
                    f"{type(self).__name__}: keep={self.keep} stands in place of {f.name}, "
                    f"got {f.name}={value!r} besides: give one of them"
                )

    def visible_of(self, size: int) -> int:
        """How many of a group of `size` stay visible. Raises MaskError if `keep` is more than there are."""
        if self.keep is None:
            return count_visible(size, self.ratio, self.rounding)
        refuse_unless(self.keep <= size, f"keep must be at most the {size} there are, got {self.keep}: lower it")
        return self.keep

    def share_of(self, size: int) -> float:
        """Share of a group of `size` that is hidden: the ratio itself, or what `keep` comes to."""
        return self.ratio if self.keep is None else 1 - self.visible_of(size) / max(size, 1)
