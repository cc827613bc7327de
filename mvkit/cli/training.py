"""Training without a notebook."""

from pathlib import Path
from typing import Annotated, Any

import typer


def train(
    spec: Annotated[Path, typer.Argument(help="A JSON file with the fields of RunSpec.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted one goes on there.")],
) -> None:
    """Pre-train without a notebook; call it again to go on after an interruption.

    Example: mvkit train spec.json --out runs/tiny
    """
    from mvkit.runs.progress import Progress
    from mvkit.train import RunSpec, fit

    wanted = RunSpec.read(spec)
    line = Progress(out.name)

    def show(record: dict[str, Any]) -> None:
        numbers = {name: value for name, value in record.items() if name != "step"}
        line.show(f"step {record['step']}/{wanted.steps}", numbers)

    try:
        fit(wanted, out=out, progress=show)
    finally:
        line.end()
    typer.echo(f"done: {out}")
