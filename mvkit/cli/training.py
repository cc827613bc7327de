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
    from mvkit.eval import knn_monitor
    from mvkit.runs.progress import Progress
    from mvkit.train import RunSpec, clips_and_labels, fit, open_manifest, open_source, train_split
    from mvkit.train.state import found

    wanted = RunSpec.read(spec)
    manifest = open_manifest(wanted)
    source, monitor = open_source(wanted, train_split(manifest)), None
    if wanted.monitor_every:
        # Reads both splits into memory, so it is for small sets; a set without a val split is refused by name.
        known, unseen = (clips_and_labels(wanted, manifest.split(name)) for name in ("train", "val"))
        monitor = knn_monitor(known, unseen)
    if saved := found(out / "checkpoint"):
        typer.echo(f"going on from {saved[-1].name}", err=True)
    line = Progress(out.name)

    def show(record: dict[str, Any]) -> None:
        numbers = {name: value for name, value in record.items() if name != "step"}
        line.show(f"step {record['step']}/{wanted.steps}", numbers)

    try:
        fit(wanted, source, out=out, monitor=monitor, progress=show)
    except KeyboardInterrupt as stop:
        # Said here: typer turns the interrupt into an exit code and drops what it says.
        line.end()
        typer.echo(f"mvkit: {stop or 'interrupted'}; the same command goes on from what is saved", err=True)
        raise typer.Exit(130) from None
    finally:
        line.end()
    for path, reason in source.dataset.broken.items():
        typer.echo(f"replaced: {path}: {reason}", err=True)
    typer.echo(f"done: {out}")
