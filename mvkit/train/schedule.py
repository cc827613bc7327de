"""Learning rate by step: linear warm-up from 0, then half a cosine."""

import math

from mvkit.errors import OptionError


def warmup_cosine(step: int, *, steps: int, base: float, low: float = 0.0, warmup: int = 0) -> float:
    """The rate at a step, 0 <= step < steps.

    Warm-up starts at exactly 0 and reaches `base` at its last step; the cosine starts there, so `base` comes twice,
    and `low` is approached but never reached: the released VideoMAE schedule (arXiv:2203.12602).
    Raises OptionError if the warm-up is longer than the run.
    """
    if not 0 <= warmup <= steps:
        raise OptionError(f"warm-up of {warmup} steps does not fit a run of {steps}")
    if step < warmup:
        return base * step / (warmup - 1) if warmup > 1 else base
    share = (step - warmup) / (steps - warmup)
    return low + 0.5 * (base - low) * (1 + math.cos(math.pi * share))
