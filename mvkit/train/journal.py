"""The journal of a run: one JSON object a line, appended as it happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mvkit.whole import whole


class Journal:
    """path: of the .jsonl file; None keeps the lines in memory only. lines: what has been written, oldest first."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = read(path) if path else []

    def rewind(self, step: int) -> None:
        """Forget lines of `step` and later: a resumed run writes them again."""
        self.lines = [line for line in self.lines if line["step"] < step]
        if self.path and self.path.exists():
            with whole(self.path) as part:
                part.write_text("".join(json.dumps(line) + "\n" for line in self.lines))

    def write(self, step: int, **values: Any) -> dict[str, Any]:
        line = {"step": step, **values}
        self.lines.append(line)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as out:
                out.write(json.dumps(line) + "\n")
        return line

    def column(self, name: str) -> tuple[list[int], list[Any]]:
        """Steps and values of the lines that have that name."""
        rows = [(line["step"], line[name]) for line in self.lines if name in line]
        return [step for step, _ in rows], [value for _, value in rows]


def read(path: Path) -> list[dict[str, Any]]:
    """Whole lines of a journal. The last line may be half written, when the process died in it; it is left out."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    found = []
    for number, line in enumerate(lines):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            if number + 1 < len(lines):
                raise
    return found
