"""The results of a check as one table: a row a recording, a column for what kind of number was compared."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mvkit.parity.recording import GroupResult

# Column -> what its groups are called, tried in this order; the rest are features.
_COLUMNS = {
    "gradients": r"grad|^after|after_step|trajectory|param_groups",
    "loss": r"loss|^variants|scalars",
    "masks": r"mask(?!ed|_token)|visible|counts|idx|importance|n_slots|n_tokens|\.kept$",
    "targets": r"target|teacher",
    "features": r"",
}
COLUMNS = ("masks", "features", "targets", "loss", "gradients")


def column(group: str) -> str:
    """The column that a group belongs to."""
    return next(name for name, pattern in _COLUMNS.items() if re.search(pattern, group))


def table(results: Iterable[GroupResult]) -> str:
    """Markdown: each recording with tensors, the largest difference in each column, and how many groups passed."""
    rows: dict[str, list[GroupResult]] = {}
    for result in results:
        rows.setdefault(result.fixture, []).append(result)
    lines = [f"| recording | {' | '.join(COLUMNS)} | groups |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, found in rows.items():
        cells = []
        for wanted in COLUMNS:
            differences = [r.difference for r in found if "_aux" not in name and column(r.group) == wanted]
            cells.append(f"{max(differences):.1g}" if differences else "-")
        passed = sum(r.passed for r in found)
        lines.append(f"| `{name}` | {' | '.join(cells)} | {passed} of {len(found)} |")
    return "\n".join(lines)
