"""Training without a notebook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_origin

import typer
from typer.core import TyperCommand

from mvkit.cli import options
from mvkit.cli.options import AsJson
from mvkit.cli.sweeps import cluster_options
from mvkit.errors import OptionError

if TYPE_CHECKING:
    from mvkit.train import RunSpec


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
    spec: Annotated[
        Path | None, typer.Argument(help="A JSON file with fields of RunSpec.", exists=True, dir_okay=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; an interrupted one goes on there.")] = None,
    recipe: Annotated[str, typer.Option(help="A published run by its name, in place of SPEC.")] = "",
    teacher: Annotated[list[str] | None, typer.Option(help="Of a recipe: role=file:<path>; once a teacher.")] = None,
    manifest: Annotated[str, typer.Option(help="Of a recipe: your list of its data set.")] = "",
    root: Annotated[str, typer.Option(help="Of a recipe: what paths in the list start from.")] = "",
    clips: Annotated[int, typer.Option(help="Of a recipe: clips in your list, if not the card's number.", min=0)] = 0,
    show: Annotated[bool, typer.Option("--print", help="Show the recipe and write nothing; --json: its SPEC.")] = False,
    recipes: Annotated[bool, typer.Option("--recipes", help="List the published runs.")] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="field=value of RunSpec, or options.name=value; a list is said once an item."),
    ] = None,
    processes: Annotated[int, typer.Option(help="Processes on one machine; a GPU each where there are GPUs.")] = 1,
    on: Annotated[str, typer.Option(help="local, or slurm: one node of a cluster.")] = "local",
    timeout: Annotated[float | None, typer.Option(help="On Slurm: seconds until it is queued again.", min=1)] = None,
    slurm: Annotated[list[str] | None, typer.Option(help="name=value of submitit, as gpus_per_node=8.")] = None,
    as_json: AsJson = False,
) -> None:
    """Pre-train without a notebook; call it again to go on after an interruption.

    SIGTERM and the spec's time_limit save and end with exit code 75: call it again. Several processes, and those on a
    cluster, go on when the terminal is closed; the same command finds them, as mvkit.attach(DIR) does in Python.

    Example: mvkit train spec.json --out runs/tiny

    Example: mvkit train --recipe videomae_small_k400 --manifest train.csv --set precision=fp32 --out runs/small
    """
    from mvkit.train import RunSpec
    from mvkit.train.recipes import published
    from mvkit.train.recipes import recipes as known

    if recipes:
        options.show([_row(one) for one in known().values()], as_json, lambda row: _LINE.format(**row))
        return
    if bool(recipe) == (spec is not None):
        raise OptionError("train wants a SPEC file or --recipe NAME, one of them; --recipes lists the published runs")
    if spec is not None and (teacher or manifest or root or clips or show):
        raise OptionError("--teacher, --manifest, --root, --clips and --print belong to --recipe; a SPEC says it all")
    if show and not as_json and changes:
        raise OptionError("--set is shown by --print --json: the table is that of the published run")
    if show and not as_json:
        typer.echo(published(recipe).table(clips))
        return
    if spec is not None:
        wanted = RunSpec.read(spec)
    else:
        wanted = published(recipe).spec(_roles(teacher or []), manifest=manifest, root=root, clips=clips)
    wanted = _changed(wanted, changes or [])
    if show:
        typer.echo(wanted.model_dump_json(indent=2))
        return
    if out is None:
        raise OptionError("train wants --out DIR, the folder of the run")
    if spec is None:
        if not manifest:
            raise OptionError(f"recipe '{recipe}' trains on {wanted.card}: give your list of it with --manifest")
        typer.echo(published(recipe).table(clips), err=True)
        clips = clips or published(recipe).clips()
    if processes == 1 and on == "local" and not (timeout or slurm):
        _run(wanted, out, as_json, clips)
    else:
        more = {"processes": processes, "on": on, "timeout": timeout, "options": cluster_options(slurm or [])}
        _run_apart(wanted, out, as_json, **more)


_LINE = "{recipe:32} {epochs:>5} epochs  batch {batch:>5}  effective lr {effective_lr:<9g} {teachers}"


def _row(recipe: Any) -> dict[str, Any]:
    return {
        "recipe": recipe.name,
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "lr": recipe.lr,
        "effective_lr": recipe.effective_lr,
        "teachers": ", ".join(recipe.teachers),
    }


def _roles(said: list[str]) -> dict[str, str]:
    """role=source, once a teacher. Raises OptionError for another form or a role that comes twice."""
    pairs = [one.partition("=") for one in said]
    for role, mark, source in pairs:
        if not (role and mark and source):
            raise OptionError(f"--teacher wants role=source, as image_teacher=file:mae.pth, got '{role}{mark}{source}'")
    roles = {role: source for role, _, source in pairs}
    if len(roles) < len(pairs):
        raise OptionError(f"--teacher names a role twice: {', '.join(role for role, _, _ in pairs)}")
    return roles


def _changed(spec: RunSpec, said: list[str]) -> RunSpec:
    """With other values for some fields; values as JSON, anything else is a text. Raises OptionError."""
    fields, values = type(spec).model_fields, {}
    for one in said:
        name, mark, text = one.partition("=")
        if not (name and mark):
            raise OptionError(f"--set wants field=value, as lr=1e-4 or options.ratio=0.75, got '{one}'")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        values.setdefault(name, []).append(value)
    changes: dict[str, Any] = {"options": dict(spec.options)}
    for name, found in values.items():
        field, dot, inner = name.partition(".")
        listed = not dot and field in fields and get_origin(fields[field].annotation) is list
        if len(found) > 1 and not listed and not dot:
            raise OptionError(f"--set: {name} takes one value, got {len(found)}")
        value = found[0] if len(found) == 1 and (not listed or isinstance(found[0], list)) else found
        if dot and field == "options":
            changes["options"][inner] = value
        elif dot:
            raise OptionError(f"--set: only options has names inside, got '{name}'")
        else:
            changes[field] = value
    return spec.but(**changes)


def _run(wanted: RunSpec, out: Path, as_json: bool, clips: int = 0) -> None:
    """Train to the end, or to an interruption, and say what came of it. clips: what the steps were counted for."""
    from mvkit.runs.looks import scores
    from mvkit.runs.progress import Progress
    from mvkit.train import fit, open_manifest, open_source, train_split
    from mvkit.train.interrupt import REQUEUE, Requeue
    from mvkit.train.state import found

    manifest = open_manifest(wanted)
    chosen = train_split(manifest)
    if clips and len(chosen) != clips:
        typer.echo(
            f"{len(chosen)} clips in the list, {clips} in the schedule: --clips {len(chosen)} counts these", err=True
        )
    source, watched = open_source(wanted, chosen), scores(wanted, manifest) if wanted.monitor_every else None
    saved = [path.name for path in found(out / "checkpoint")]
    if saved:
        typer.echo(f"going on from {saved[-1]}", err=True)
    line = Progress(out.name)

    def show(record: dict[str, Any]) -> None:
        numbers = {name: value for name, value in record.items() if name != "step"}
        line.show(f"step {record['step']}/{wanted.steps}", numbers)

    try:
        run = fit(wanted, source, out=out, monitor=watched, progress=show)
    except KeyboardInterrupt as stop:
        # Said here: typer turns the interrupt into an exit code and drops what it says.
        line.end()
        typer.echo(f"mvkit: {stop or 'interrupted'}; the same command goes on from what is saved", err=True)
        raise typer.Exit(REQUEUE if isinstance(stop, Requeue) else 130) from None
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


def _run_apart(wanted: RunSpec, out: Path, as_json: bool, *, on: str, **more: Any) -> None:
    """The same in processes of their own, watched from here; a terminal that is closed leaves them alone."""
    import signal

    from mvkit.runs.job import launch
    from mvkit.runs.status import LIVE
    from mvkit.train.interrupt import REQUEUE, Requeue

    def terminated(number: int, frame: object) -> None:
        raise Requeue("SIGTERM")

    signal.signal(signal.SIGTERM, terminated)
    job = launch(wanted, out=out, on=on, **more)
    try:
        job.watch()
    except KeyboardInterrupt as stop:
        if on == "local":
            job.stop()
        told = "the job stays in the queue" if job.state in LIVE else job.status.get("cause", job.state)
        typer.echo(f"mvkit: {told}; the same command goes on from there", err=True)
        raise typer.Exit(REQUEUE if isinstance(stop, Requeue) else 130) from None
    typer.echo(json.dumps({"folder": str(out), **job.status}, indent=2) if as_json else f"done: {out}")
