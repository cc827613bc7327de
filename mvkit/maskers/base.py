"""What a masker is, and what it may look at. (Masks themselves: `_masks.py`.)

A `Masker` is a frozen dataclass: its fields are its parameters, its repr rebuilds it, and it draws from the generator
it is given and nothing else. `counts` is known before anything is drawn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from mvkit.errors import MaskError, ShapeError
from mvkit.maskers._masks import MaskSet as MaskSet
from mvkit.maskers._masks import TokenMask as TokenMask
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class MaskContext:
    """What a masker may look at besides the grid; a masker names what it reads in `needs`.

    video: (B, 3, T, H, W) in [0, 1]. attention: (B, t, h*w), not negative, what a teacher looks at.
    features: (B, N, D) tokens. loss: (B, N) predicted or past loss per token. flow: (B, t-1, h, w, 2), the (x, y)
    displacement in tokens from step k to k+1, at the token of step k. progress: share of training done, 0 to 1.
    """

    video: Tensor | None = None
    attention: Tensor | None = None
    features: Tensor | None = None
    loss: Tensor | None = None
    flow: Tensor | None = None
    progress: float = 0.0

    def check(self, name: str, grid: TokenGrid, batch: int) -> None:
        """Raises ShapeError if the field does not fit the grid and the batch."""
        value, (t, h, w) = getattr(self, name), grid.shape
        shape = tuple(value.shape)
        if name == "video":
            wanted = f"(B={batch}, 3, T, H, W) with T, H, W multiples of {t}, {h}, {w}"
            fits = len(shape) == 5 and shape[:2] == (batch, 3)
            fits = fits and all(n and n % m == 0 for n, m in zip(shape[2:], grid.shape, strict=True))
        elif name == "features":
            wanted = f"(B={batch}, N={grid.tokens}, D)"
            fits = len(shape) == 3 and shape[:2] == (batch, grid.tokens)
        else:
            exact = {"attention": (t, h * w), "loss": (grid.tokens,), "flow": (t - 1, h, w, 2)}[name]
            wanted, fits = str((batch, *exact)), shape == (batch, *exact)
        if not fits:
            raise ShapeError(f"context.{name} must be {wanted} on a {grid}, got {shape}")


def option(default: Any, help: str, *, low: float | None = None, high: float | None = None, choices: tuple = ()) -> Any:
    """A masker parameter: its default, range or choices, and one line of help. Controls and checks are made from it."""
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class Masker(ABC):
    """Draws masks. Subclasses are frozen dataclasses whose fields come from `option`.

    title: its name in a figure. paper: where it was published, with arXiv id. needs: the MaskContext fields it
    cannot do without. exact: "step" if every step of every row has its own fixed count, else "sample".
    aliases: other names of the same strategy in the field. instead: for a need, the context field that can stand in.
    """

    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    needs: ClassVar[frozenset[str]] = frozenset()
    exact: ClassVar[str] = "sample"
    aliases: ClassVar[tuple[str, ...]] = ()
    instead: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        for f in fields(self):
            value, meta, what = getattr(self, f.name), f.metadata, f"{type(self).__name__}: {f.name}"
            if meta.get("choices") and value not in meta["choices"]:
                raise MaskError(f"{what} must be one of {meta['choices']}, got {value!r}")
            if isinstance(f.default, bool) and not isinstance(value, bool):
                raise MaskError(f"{what} must be True or False, got {value!r}")
            optional = f.default is None  # a count that may be left out
            if (optional and value is None) or not (optional or _is_number(f.default)):
                continue
            whole = optional or isinstance(f.default, int)
            if not _is_number(value) or (whole and not isinstance(value, int)):
                kind = "a whole number" if whole else "a number"
                raise MaskError(f"{what} must be {kind}, got {value!r}")
            low, high = meta.get("low"), meta.get("high")
            if (low is not None and not value >= low) or (high is not None and not value <= high):
                raise MaskError(f"{what} must lie in [{low}, {'any' if high is None else high}], got {value}")

    @abstractmethod
    def counts(self, grid: TokenGrid) -> dict[str, int]:
        """Visible tokens of each role on this grid, before anything is drawn.

        Raises MaskError where the strategy cannot exist on this grid, with the line `__call__` raises too.
        """

    @abstractmethod
    def draw(
        self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext
    ) -> TokenMask | MaskSet:
        """Draw the masks; `__call__` has already checked the context."""

    def __call__(
        self,
        grid: TokenGrid,
        batch: int,
        *,
        generator: torch.Generator,
        context: MaskContext | None = None,
    ) -> TokenMask | MaskSet:
        """Masks for `batch` clips, on the generator's device.

        Raises MaskError if the context lacks what `needs` names, or if the strategy cannot exist on this grid;
        ShapeError if what it needs does not fit the grid and the batch.
        """
        context = context or MaskContext()
        for name in sorted(self.needs):
            names = [name, self.instead[name]] if name in self.instead else [name]
            given = [n for n in names if getattr(context, n) is not None]
            if not given:
                wanted = " or ".join(f"context.{n}" for n in names)
                raise MaskError(f"{self!r} needs {wanted}: pass context=MaskContext({name}=...)")
            for n in given:
                context.check(n, grid, batch)
        try:
            return self.draw(grid, batch, generator, context)
        except MaskError as err:
            raise MaskError(f"{self!r} on a {grid}: {err}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
