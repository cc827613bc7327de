"""A benchmark's result as a file: JSON with the machine in it, whole or not there."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mvkit.bench.clock import Spread


def today() -> str:
    """The date, as a benchmark is quoted with it."""
    return datetime.now(UTC).date().isoformat()


def flat(name: str, spread: Spread, digits: int = 4) -> dict[str, float]:
    """name_median, name_low, name_high."""
    return {f"{name}_{part}": round(value, digits) for part, value in asdict(spread).items()}


def write(record: dict[str, Any], folder: Path) -> Path:
    """Write `record` as <bench>.json into a folder; gives the path."""
    path = folder / f"{record['bench']}.json"
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(record, indent=2, default=_plain) + "\n")
    part.replace(path)
    return path


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no place in a benchmark's record")
