"""Training without a notebook."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from mvkit.cli.options import AsJson


class SpecHelp(TyperCommand):
    """Help that lists the fields of RunSpec, read from RunSpec itself, and only when help is asked for."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        from mvkit.train.spec import RunSpec

        rows = []
        for name, field in RunSpec.model_fields.items():
            kind = getattr(field.annotation, "__name__", "") if isinstance(field.annotation, type) else ""
            kind = kind or str(field.annotation).replace("typing.", "")
            default = json.dumps(field.get_default(call_default_factory=True))
            rows.append((f"{name}: {kind} = {default}", field.description or ""))
        with formatter.section("Fields of SPEC, all with a default"):
            formatter.write_dl(rows)


def train(
    spec: Annotated[Path, typer.Argument(help="A JSON file with fields of RunSpec.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted one goes on there.")],
    as_json: AsJson = False,
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
    saved = [path.name for path in found(out / "checkpoint")]
    if saved:
        typer.echo(f"going on from {saved[-1]}", err=True)
    line = Progress(out.name)

    def show(record: dict[str, Any]) -> None:
        numbers = {name: value for name, value in record.items() if name != "step"}
        line.show(f"step {record['step']}/{wanted.steps}", numbers)

    try:
        run = fit(wanted, source, out=out, monitor=monitor, progress=show)
    except KeyboardInterrupt as stop:
        # Said here: typer turns the interrupt into an exit code and drops what it says.
        line.end()
        typer.echo(f"mvkit: {stop or 'interrupted'}; the same command goes on from what is saved", err=True)
        raise typer.Exit(130) from None
    finally:
        line.end()
    replaced = {str(path): reason for path, reason in source.dataset.broken.items()}
    for path, reason in replaced.items():
        typer.echo(f"replaced: {path}: {reason}", err=True)
    if as_json:
        last = {name: value for entry in run.journal.lines for name, value in entry.items()}
        began = saved[-1] if saved else None
        typer.echo(
            json.dumps({"folder": str(out), "going_on_from": began, "last": last, "replaced": replaced}, indent=2)
        )
    else:
        typer.echo(f"done: {out}")
