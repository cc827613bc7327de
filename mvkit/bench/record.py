"""A benchmark's result as a file: JSON with the machine in it, whole or not there."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mvkit.bench.clock import Spread
from mvkit.whole import whole


def today() -> str:
    """The date, as a benchmark is quoted with it."""
    return datetime.now(UTC).date().isoformat()


def flat(name: str, spread: Spread, digits: int = 4) -> dict[str, float]:
    """name_median, name_low, name_high."""
    return {f"{name}_{part}": round(value, digits) for part, value in asdict(spread).items()}


def write(record: dict[str, Any], folder: Path) -> Path:
    """Write `record` as <bench>.json into a folder; gives the path."""
    path = folder / f"{record['bench']}.json"
    with whole(path) as part:
        part.write_text(json.dumps(record, indent=2, default=_plain) + "\n")
    return path


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no place in a benchmark's record")
