"""`mvkit sweep`: plan many runs, carry out what is missing, show how they stand."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mvkit.cli.options import AsJson, say
from mvkit.errors import OptionError

if TYPE_CHECKING:
    from mvkit.runs.sweep.place import Place
    from mvkit.runs.sweep.plan import Plan
    from mvkit.runs.sweep.standing import Standing

Texts = list[str] | None


def sweep(
    what: Annotated[str, typer.Argument(metavar="FILE|NOTEBOOK", help="A sweep in YAML, or one notebook.")],
    parameter: Annotated[Texts, typer.Option("-p", "--parameter", help="name=value for all runs; repeat it.")] = None,
    grid: Annotated[Texts, typer.Option("-g", "--grid", help="name=a,b: every combination; ints also 0..4.")] = None,
    beside: Annotated[Texts, typer.Option("-z", "--zip", help="name=a,b: first values together, and so on.")] = None,
    point: Annotated[Texts, typer.Option("--point", help="name=a,other=b: one run of its own.")] = None,
    random: Annotated[Texts, typer.Option("-r", "--random", help="name=low..high, 'log low..high' or a,b.")] = None,
    draws: Annotated[int, typer.Option(help="How many random points.", min=0)] = 0,
    draw_seed: Annotated[int, typer.Option(help="Of the random points.", min=0)] = 0,
    name: Annotated[str, typer.Option(help="Of the record in reports/sweeps/.")] = "",
    out: Annotated[Path | None, typer.Option(help="Reports folder; by default reports/ of the project.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what is done, what would run, at what cost.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Only show how the runs stand.")] = False,
    metric: Annotated[Texts, typer.Option(help="Column from results.json, as scores.0.knn; repeat it.")] = None,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", min=1, help="Runs at a time; by default 1 here.")] = None,
    on: Annotated[str, typer.Option(help="local, slurm, or submitit-local to try the way to Slurm.")] = "local",
    slurm: Annotated[Texts, typer.Option(help="name=value of submitit, as partition=gpu, gpus_per_node=1.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds of a run; on Slurm of a job.", min=1)] = None,
    retries: Annotated[int, typer.Option(help="Of a run that was killed or timed out.", min=0)] = 2,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also runs that raised an error.")] = False,
    as_json: AsJson = False,
) -> None:
    """Many runs of a notebook, or of several that build on each other; call it again and it runs what is missing.

    A run that was killed, timed out or ran out of memory is tried again; one that raised an error is not. Ctrl-C stops
    the runs in order; exit code 0 when all are done, 1 when one failed or was skipped.

    Example: mvkit sweep 02_videomae -g ratio=0.75,0.9 -g seed=0..2 -j 2 --plan
    """
    from mvkit.runs.sweep.plan import Plan
    from mvkit.runs.sweep.standing import standings

    if Path(what).suffix in (".yaml", ".yml"):
        from mvkit.runs.sweep.sheet import read_sheet

        if parameter or grid or beside or point or random or draws:
            raise OptionError("axes and parameters are in the file; flags for them belong to a notebook")
        said, entries = read_sheet(Path(what))
        name, stem = name or said, Path(what).stem
    else:
        from mvkit.runs.notebook import find_notebook
        from mvkit.runs.sweep.flags import read_flags

        texts = {"fixed": parameter, "grid": grid, "beside": beside, "points": point, "drawn": random}
        given = {key: value or [] for key, value in texts.items()}
        entries, stem = [read_flags(find_notebook(what), **given, draws=draws, seed=draw_seed)], ""
    planned = Plan.make(entries, name=name, stem=stem, out=out)
    if plan or table:
        stands = standings(planned, retry_failed=retry_failed)
        _show_plan(planned, stands, jobs or 1, as_json) if plan else _show(planned, stands, metric or [], as_json)
        return
    options = {"timeout": timeout, "retries": retries, "options": cluster_options(slurm or [])}
    raise typer.Exit(_carry_out(planned, on, jobs, retry_failed, metric or [], as_json, options))


def _carry_out(
    plan: "Plan", on: str, jobs: int | None, retry: bool, metrics: Sequence[str], as_json: bool, options: dict[str, Any]
) -> int:
    from mvkit.runs.sweep.driver import Driver
    from mvkit.runs.sweep.local import Local
    from mvkit.runs.sweep.record import rows, write_plan, write_table

    command = ["mvkit", *sys.argv[1:]]
    if on == "local":
        if options["options"]:
            raise OptionError("--slurm belongs to --on slurm")
        place: Place = Local(plan.folder / "logs", jobs or 1, timeout=options["timeout"], command=command)
    else:
        from mvkit.runs.sweep.cluster import Cluster

        place = Cluster(plan.folder, on, jobs=jobs, command=command, **options)
    write_plan(plan, command)
    driver = Driver(plan, place, retries=options["retries"], retry_failed=retry)
    stands = driver.run()
    write_table(plan, rows(plan, stands, metrics))
    if driver.stopped:
        with suppress(OSError):  # the terminal may be gone, and the exit code still has to tell
            _show(plan, stands, metrics, as_json)
        say(f"mvkit: interrupted: {driver.stopped}; the same command goes on")
        return 130
    _show(plan, stands, metrics, as_json)
    return 0 if all(one.state == "done" for one in stands.values()) else 1


def _show(plan: "Plan", stands: Mapping[str, "Standing"], metrics: Sequence[str], as_json: bool) -> None:
    from mvkit.runs.sweep.record import lines, rows

    table = rows(plan, stands, metrics)
    counts = Counter(row["state"] for row in table)
    if as_json:
        record = {"name": plan.name, "folder": str(plan.folder), "counts": counts, "runs": table}
        typer.echo(json.dumps(record, indent=2))
        return
    typer.echo("\n".join(lines(table)))
    typer.echo(f"{', '.join(f'{count} {state}' for state, count in counts.items())}; {plan.folder}")


def _show_plan(plan: "Plan", stands: Mapping[str, "Standing"], jobs: int, as_json: bool) -> None:
    """What is done, what runs, what waits for what, and what it will take."""
    from mvkit.runs.sweep.cost import costs, duration, total

    names = plan.differing()
    cost = costs([one.run for one in stands.values() if one.state in ("open", "waiting")], plan.reports)
    seconds, counts = total(cost, jobs), Counter(one.state for one in stands.values())
    if as_json:
        runs = [
            {
                "run": name,
                "state": one.state,
                "cause": one.cause,
                "resumes": one.resumes,
                "needs": one.run.needs,
                "folder": str(one.run.folder.path),
                "parameters": dict(one.run.values),
            }
            for name, one in stands.items()
        ]
        record = {"name": plan.name, "folder": str(plan.folder), "counts": counts, "axes": names, "runs": runs}
        estimate = {"cost": [vars(each) for each in cost], "seconds": seconds, "jobs": jobs}
        typer.echo(json.dumps({**record, **estimate}, indent=2))
        return
    for name, one in stands.items():
        axes = " ".join(f"{key}={one.run.values[key]}" for key in names if key in one.run.values)
        state = "goes on" if one.resumes and one.state == "open" else {"open": "to run"}.get(one.state, one.state)
        typer.echo(f"{state:<8} {name}  {axes}  {one.cause}".rstrip())
    typer.echo(", ".join(f"{count} {({'open': 'to run'}).get(state, state)}" for state, count in counts.items()))
    for each in cost:
        typer.echo(each.line())
    if seconds:
        typer.echo(f"about {duration(seconds)} with {jobs} at a time, if these runs are like those")


def cluster_options(texts: Sequence[str]) -> dict[str, Any]:
    """name=value; whole numbers are numbers."""
    from mvkit.runs.given import of_texts

    return {name: int(text) if text.isdecimal() else text for name, text in of_texts(texts).items()}
