"""Learning rate by step: linear warm-up, then half a cosine."""

import math

from mvkit.errors import OptionError


def warmup_cosine(
    step: int, *, steps: int, base: float, low: float = 0.0, warmup: int = 0, start: float = 0.0
) -> float:
    """The rate at a step, 0 <= step < steps.

    Warm-up runs from exactly `start` to `base` at its last step; the cosine starts there, so `base` comes twice, and
    `low` is approached but never reached. A warm-up of one step is `start` alone. The released schedule of VideoMAE
    (arXiv:2203.12602), MVD, AMD and UMT stage 1, which all start from 0; UMT's fine-tuning does not.
    Raises OptionError if the warm-up is longer than the run.
    """
    _check(warmup, steps)
    if step < warmup:
        return start + (base - start) * step / max(warmup - 1, 1)
    share = (step - warmup) / (steps - warmup)
    return low + 0.5 * (base - low) * (1 + math.cos(math.pi * share))


def floored_cosine(step: int, *, steps: int, warmup: int = 0, floor: float = 0.01) -> float:
    """The factor on the base rate at a step, 0 <= step <= steps: floor to 1.

    Warm-up is step / warmup, then half a cosine to 0; both are cut off at `floor` and not squeezed above it. The
    schedule of UMT's video-text training and of its retrieval and question answering (arXiv:2303.16058).
    Raises OptionError if the warm-up is longer than the run.
    """
    _check(warmup, steps)
    if step < warmup:
        return max(floor, step / warmup)
    share = (step - warmup) / max(steps - warmup, 1)
    return max(floor, 0.5 * (1 + math.cos(math.pi * share)))


def _check(warmup: int, steps: int) -> None:
    if not 0 <= warmup <= steps:
        raise OptionError(f"warm-up of {warmup} steps does not fit a run of {steps}")
