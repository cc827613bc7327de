"""Two settings seed by seed: the mean difference, its 95 % interval, and what two tests say of it.

The t interval and the paired t-test take the differences for draws of a normal distribution; Wilcoxon's signed-rank
test (exact) does not, and with n seeds its two-sided p cannot be below 2 / 2^n: 0.25 for three, 0.06 for five. All of
it is about other seeds on the same clips, and says nothing of other clips or other data.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from mvkit.errors import ShapeError

FEW = 6  # seeds below which Wilcoxon's test cannot reach 0.05: 2 / 2^5 is 0.06


@dataclass(frozen=True)
class Paired:
    """second - first over n seeds that both have. low, high: 95 % t interval; t, wilcoxon: two-sided p values.

    holm: p of the t-test, corrected for as many comparisons as were made together. None where n is too small (two
    seeds for an interval) or all differences are equal, so that nothing is known of their spread.
    """

    measure: str
    first: str
    second: str
    n: int
    mean: float
    low: float | None
    high: float | None
    t: float | None
    wilcoxon: float | None
    holm: float | None = None

    def record(self) -> dict[str, Any]:
        return asdict(self)


def paired(measure: str, first: str, second: str, before: Sequence[float], after: Sequence[float]) -> Paired:
    """before, after: (n,) of the same seeds in the same order. Raises ShapeError for other lengths or no seed."""
    if len(before) != len(after) or not len(before):
        raise ShapeError(f"{second} against {first}: wanted as many values of the same seeds, got {len(after)} and "
                         f"{len(before)}")  # fmt: skip
    differences = np.asarray(after, float) - np.asarray(before, float)
    n, mean = len(differences), float(differences.mean())
    if n < 2 or np.ptp(differences) <= 1e-12:
        return Paired(measure, first, second, n, mean, None, None, None, None)
    half = float(stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / n**0.5)
    with warnings.catch_warnings(action="ignore"):  # of zeros among the differences
        tests: Any = stats.ttest_1samp(differences, 0), stats.wilcoxon(differences)
    p, rank = (float(test.pvalue) for test in tests)
    return Paired(measure, first, second, n, mean, mean - half, mean + half, p, rank)


def holm(found: Sequence[Paired]) -> list[Paired]:
    """The same with `holm`: p values in order times the comparisons that are left, never falling, at most 1."""
    order = sorted((one.t, place) for place, one in enumerate(found) if one.t is not None)
    corrected: dict[int, float] = {}
    last = 0.0
    for done, (p, place) in enumerate(order):
        last = max(last, min(1.0, p * (len(order) - done)))
        corrected[place] = last
    return [Paired(**{**asdict(one), "holm": corrected.get(place)}) for place, one in enumerate(found)]


def limits(found: Sequence[Paired]) -> str:
    """What these tests can say, in words for whoever reads the table."""
    if not found:
        return "No two settings have a seed in common: nothing can be paired."
    counts = sorted({one.n for one in found})
    many = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    told = (
        f"Paired t-test over n = {many} seed{'s' * (counts[-1] > 1)}, Holm's correction for {len(found)} "
        f"comparison{'s' * (len(found) > 1)}; beside it Wilcoxon's signed-rank test."
    )
    if counts[0] < 2:
        told += " One seed has no spread: where n is 1, there is a difference and nothing else."
    if counts[0] < FEW and counts[-1] > 1:
        told += (
            f" With so few seeds p values mean little (Wilcoxon's cannot be below {2 / 2 ** counts[-1]:.2g} here): "
            "look at the differences and their intervals, which take them to be normally distributed."
        )
    return told + " All of it is about other seeds on the same clips, not about other clips or data."


def rows(found: Sequence[Paired]) -> list[Mapping[str, Any]]:
    """For a table: words where the record has numbers."""
    return [
        {
            "measure": one.measure,
            "difference": f"{one.second} - {one.first}",
            "n": one.n,
            "mean": f"{one.mean:+.3f}",
            "95 % interval": "none" if one.low is None else f"{one.low:+.3f} to {one.high:+.3f}",
            "p, t-test": _p(one.t),
            "p, Holm": _p(one.holm),
            "p, Wilcoxon": _p(one.wilcoxon),
        }
        for one in found
    ]


def _p(value: float | None) -> str:
    return "none" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
