"""Do two layers hold the same, up to a rotation and a scale? Linear CKA, summed over batches.

HSIC is estimated without bias, so that a small batch does not make two unrelated layers look alike: with Gram matrices
K and L of n examples, diagonals zeroed, HSIC_1 = [tr(KL) + 1'K1 1'L1 / ((n-1)(n-2)) - 2 1'KL1 / (n-2)] / (n(n-3)).
It is computed as the inner product of the two U-centred matrices, which is the same number. Being unbiased, it can fall
a little below 0. Papers: minibatch CKA, arXiv:2010.15327; CKA, arXiv:1905.00414; U-centring, arXiv:1310.2926.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor

from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.query_keys import encode
from mvkit.models.frames import Encoder
from mvkit.models.teachers import Teacher

EXAMPLES = ("clips", "tokens")


class MinibatchCKA:
    """Sums HSIC over batches; `matrix` is their CKA so far. Memory does not grow with the number of batches."""

    def __init__(self) -> None:
        self._sums: tuple[Tensor, Tensor, Tensor] | None = None

    def update(self, first: Collection[Tensor], second: Collection[Tensor]) -> None:
        """first, second: the features of the same n examples, (n, D) for each layer; widths may differ. A batch counts
        as much as any other, whatever its n. Raises ShapeError for fewer than 4 examples or unequal numbers of them."""
        sizes = {features.shape[:1] if features.ndim == 2 else None for features in (*first, *second)}
        size = next(iter(sizes), None)
        if not first or not second or len(sizes) > 1 or size is None or size[0] < 4:
            shapes = [tuple(features.shape) for features in (*first, *second)]
            raise ShapeError(
                f"CKA needs features (n, D) of the same n examples, at least 4, for each layer, got {shapes}"
            )
        rows, columns = _centred_grams(first), _centred_grams(second)  # (L, n*n)
        n = size[0]
        found = (rows @ columns.T, rows.square().sum(1), columns.square().sum(1))
        found = tuple(part / (n * (n - 3)) for part in found)
        if self._sums is not None:
            if self._sums[0].shape != found[0].shape:
                raise ShapeError(f"this batch has {found[0].shape} layers, the first had {self._sums[0].shape}")
            found = tuple(old + new for old, new in zip(self._sums, found, strict=True))
        self._sums = (found[0], found[1], found[2])

    def matrix(self) -> Tensor:
        """(L first, L second) float64; 1 for features equal up to rotation, scale and shift. NaN where a layer gives
        every example the same. Raises ShapeError before the first batch."""
        if self._sums is None:
            raise ShapeError("CKA of no examples: call update first")
        both, rows, columns = self._sums
        return both / (rows[:, None] * columns).sqrt()


def cka(first: Tensor, second: Tensor) -> float:
    """CKA of two layers in one batch: (n, D) and (n, E) of the same n examples. Raises ShapeError."""
    found = MinibatchCKA()
    found.update([first], [second])
    return float(found.matrix())


@torch.no_grad()
def between(
    first: Encoder | Teacher,
    second: Encoder | Teacher,
    batches: Iterable[Tensor],
    layers: tuple[Collection[int], Collection[int]],
    *,
    examples: str = "tokens",
    limit: int = 1024,
    generator: torch.Generator | None = None,
) -> Tensor:
    """CKA between the layers of two encoders on the same clips: (L first, L second) float64.

    batches: clips (B, 3, T, H, W) in [0, 1]. layers: block numbers (1 = first) of each encoder, in the order of rows
    and of columns. examples: "clips", mean features, at least 4 clips a batch; or "tokens", the same ones in both, at
    most `limit` a batch, drawn from the generator. Image encoders see one frame for each step of the other encoder.
    Raises OptionError, ShapeError where the tokens of the two do not fall on the same places.
    """
    if examples not in EXAMPLES or (examples == "tokens" and generator is None):
        raise OptionError(f"examples must be 'clips', or 'tokens' with a generator to draw them, got {examples!r}")
    steps = max(_grid_steps(first), _grid_steps(second))
    found = MinibatchCKA()
    for clips in batches:
        seen = [
            encode(encoder, clips, steps=steps if steps > 1 else None, layers=asked).layers
            for encoder, asked in zip((first, second), layers, strict=True)
        ]
        stacks = [[part[number] for number in asked] for part, asked in zip(seen, layers, strict=True)]
        if examples == "clips":
            found.update(*[[layer.mean(1) for layer in stack] for stack in stacks])
            continue
        counts = [stack[0].shape[:2] for stack in stacks]
        if counts[0] != counts[1]:
            raise ShapeError(
                f"encoders give tokens {tuple(counts[0])} and {tuple(counts[1])}: compare 'clips', or encoders whose "
                "tokens fall on the same places"
            )
        kept = torch.randperm(counts[0].numel(), generator=generator)[:limit].to(clips.device)
        found.update(*[[layer.flatten(0, 1)[kept] for layer in stack] for stack in stacks])
    return found.matrix()


def _centred_grams(layers: Collection[Tensor]) -> Tensor:
    """(n, D) each -> (L, n*n) float64, U-centred: rows and columns sum to 0 with a diagonal of 0."""
    # float64: a few channels of a residual stream dwarf the rest, a Gram matrix squares that, centring subtracts it.
    grams = torch.stack([(x := features.detach().double()) @ x.T for features in layers])
    n = grams.shape[-1]
    diagonal = torch.eye(n, dtype=torch.bool, device=grams.device)
    grams = grams.masked_fill(diagonal, 0)
    rows = grams.sum(-1)
    grams = grams - (rows[:, :, None] + rows[:, None, :]) / (n - 2) + rows.sum(-1)[:, None, None] / ((n - 1) * (n - 2))
    return grams.masked_fill(diagonal, 0).flatten(1)


def _grid_steps(encoder: Encoder | Teacher) -> int:
    return (encoder.encoder if isinstance(encoder, Teacher) else encoder).grid.t
