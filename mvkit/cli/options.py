"""Options that many commands have."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")]


def show(rows: Sequence[Any], as_json: bool, line: Callable[[Any], str]) -> None:
    """Rows (mappings or dataclasses) on stdout: as one JSON list, or a line for each."""
    if as_json:
        typer.echo(json.dumps([asdict(row) if is_dataclass(row) else row for row in rows], indent=2))  # pyright: ignore
    for row in [] if as_json else rows:
        typer.echo(line(row))


def say(text: str) -> None:
    """A line on stderr; where the terminal is closed nobody listens, and the exit code still has to tell."""
    with suppress(OSError):
        typer.echo(text, err=True)
