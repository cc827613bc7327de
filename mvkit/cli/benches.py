"""`mvkit bench`: programs that measure, each leaving <name>.json and a figure with its data in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

REPORTS = Path("reports/benchmarks")

Out = Annotated[Path, typer.Option(help="Folder for the JSON and the figure.")]
Rounds = Annotated[int, typer.Option(help="How often each is measured; they take turns.")]
Clock = Annotated[str, typer.Option(help="wall, or cpu: this process's CPU time, for a busy machine and one thread.")]
Threads = Annotated[int, typer.Option(help="Threads of torch; 0 leaves its own choice.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Batch = Annotated[int, typer.Option(help="Clips of a step.")]
Frames = Annotated[int, typer.Option(help="Frames of a clip.")]
Image = Annotated[int, typer.Option(help="Height and width of a clip in pixels.")]


def step(
    method: Annotated[list[str] | None, typer.Option(help="A method; again for more. All by default.")] = None,
    size: Annotated[list[str] | None, typer.Option(help="tiny, small, base, large or huge; again for more.")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="fp32 or bf16; again for more. fp32 by default.")] = None,
    variant: Annotated[list[str] | None, typer.Option(help="eager, compile or graph; again for more.")] = None,
    batch: Annotated[int, typer.Option(help="Clips of a step; 0 takes what two cores can bear.")] = 0,
    frames: Annotated[int, typer.Option(help="Frames of a clip; 0 takes the paper's.")] = 0,
    image: Image = 224,
    rounds: Rounds = 5,
    clock: Clock = "wall",
    threads: Threads = 0,
    device: Device = "cpu",
    out: Out = REPORTS,
) -> None:
    """Training steps: milliseconds, clips/s, memory, model FLOPs, share of what this machine multiplies at best.

    Example: mvkit bench step --method videomae --size small --precision fp32 --precision bf16
    """
    from mvkit.bench.step import bench_step

    _threads(threads)
    record = bench_step(
        names=method or (), sizes=size or (), batch=batch or None, frames=frames or None, image=image,
        precisions=precision or ("fp32",), variants=variant or ("eager",), rounds=rounds, clock=clock, device=device,
        progress=typer.echo,
    )  # fmt: skip
    values: dict[str, dict[str, list[float]]] = {}
    for row in record["results"]:
        label = f"{row['method']} {row['size']}" + (f", {row['variant']}" if row["variant"] != "eager" else "")
        scale = row["fraction"] * row["ms_median"]
        spread = [scale / row[f"ms_{part}"] for part in ("median", "high", "low")]
        values.setdefault(f"{row['precision']}, {row['frames']} frames of {row['image']}", {})[label] = spread
    _keep(record, out, "bars", _arrays(values), what="share of this machine's matrix products")


def peer(
    size: Annotated[str, typer.Option(help="tiny, small, base, large or huge.")] = "small",
    batch: Batch = 2,
    frames: Frames = 16,
    image: Image = 224,
    rounds: Rounds = 9,
    clock: Clock = "wall",
    threads: Threads = 0,
    device: Device = "cpu",
    out: Out = REPORTS,
) -> None:
    """VideoMAE's step against that of transformers, same weights, clips and masks; above 1 ours is faster.

    Example: mvkit bench peer --size small --batch 2
    """
    from mvkit.bench.peer import bench_peer

    _threads(threads)
    record = bench_peer(
        size=size, batch=batch, frames=frames, image=image, rounds=rounds, clock=clock, device=device,
        progress=typer.echo,
    )  # fmt: skip
    labels = {
        "ratio_fp32": "both fp32", "ratio_bf16": "ours bf16, theirs fp32", "ratio_bf16_own": "both bf16",
    }  # fmt: skip
    values = {"": {label: [record[f"{name}_{part}"] for part in ("median", "low", "high")]
                   for name, label in labels.items()}}  # fmt: skip
    _keep(record, out, "bars", _arrays(values), what="times as fast as transformers' VideoMAE", line=1.0,
          line_label="as fast")  # fmt: skip


def data(
    folder: Annotated[Path | None, typer.Option(help="Videos to read besides those made for it.")] = None,
    files: Annotated[int, typer.Option(help="How many files of each kind are made.")] = 8,
    frames: Frames = 16,
    stride: Annotated[int, typer.Option(help="Frames of the file from one frame of a clip to the next.")] = 4,
    image: Image = 224,
    reader: Annotated[list[str] | None, typer.Option(help="A reader; again for more. All by default.")] = None,
    workers: Annotated[list[int] | None, typer.Option(help="Loader processes; again for more. 0, 1, 2.")] = None,
    clips: Annotated[int, typer.Option(help="Clips read with each count of workers.")] = 64,
    memory_clips: Annotated[int, typer.Option(help="Clips each reader reads while its memory is watched.")] = 0,
    step: Annotated[str, typer.Option(help="VideoMAE whose step eats the clips; '' for none.")] = "small",
    rounds: Rounds = 5,
    clock: Clock = "wall",
    threads: Threads = 0,
    out: Out = REPORTS,
) -> None:
    """Reading clips from mp4 files: each reader against decord with PIL, the loader against what a step eats.

    Example: mvkit bench data --workers 1 --workers 2 --memory-clips 10000
    """
    from mvkit.bench.data import bench_data

    _threads(threads)
    record = bench_data(
        folder=folder, files=files, frames=frames, stride=stride, size=image, readers=reader or (),
        workers=tuple(workers or (0, 1, 2)), clips=clips, memory_clips=memory_clips, step=step, rounds=rounds,
        clock=clock, progress=typer.echo,
    )  # fmt: skip
    values: dict[str, dict[str, list[float]]] = {}
    for row in record["results"]:
        spread = [row[f"clips_per_s_{part}"] for part in ("median", "low", "high")]
        values.setdefault(f"{row['files']} files", {})[row["reader"]] = spread
    for row in record["loader"]:
        values.setdefault("kit files, the loader", {})[f"{row['workers']} workers"] = 3 * [row["clips_per_s"]]
    eats = record["appetite_clips_per_s"]
    line = {"line": max(eats.values()), "line_label": f"what a VideoMAE {step} step eats"} if eats else {}
    _keep(record, out, "bars", _arrays(values), what="clips/s", **line)


def scale(
    size: Annotated[str, typer.Option(help="tiny, small, base, large or huge.")] = "small",
    axis: Annotated[list[str] | None, typer.Option(help="batch, frames, image or ratio; again for more.")] = None,
    processes: Annotated[list[int] | None, typer.Option(help="Processes; again for more. 1 and 2.")] = None,
    batch: Batch = 2,
    frames: Frames = 16,
    image: Image = 224,
    precision: Annotated[str, typer.Option(help="fp32 or bf16.")] = "fp32",
    rounds: Rounds = 3,
    clock: Clock = "wall",
    threads: Threads = 0,
    device: Device = "cpu",
    out: Out = REPORTS,
) -> None:
    """A VideoMAE step's cost against batch, frames, resolution and ratio, one at a time; with 1 and 2 processes.

    Example: mvkit bench scale --axis frames --axis image
    """
    from mvkit.bench.scale import AXES, bench_scale
    from mvkit.errors import OptionError, unknown

    _threads(threads)
    if extra := sorted(set(axis or ()) - set(AXES)):
        raise OptionError(unknown("axis", extra[0], AXES))
    record = bench_scale(
        size=size, axes={name: AXES[name] for name in axis or AXES}, processes=tuple(processes or (1, 2)),
        base={"batch": batch, "frames": frames, "image": image}, precision=precision, rounds=rounds, clock=clock,
        device=device, progress=typer.echo,
    )  # fmt: skip
    costs = {"time": "ms_per_clip_median", "memory": "activations_mb_per_clip", "FLOPs": "gflop_per_clip"}
    panels = {
        name: {"values": [row["value"] for row in rows]}
        | {cost: [row[key] for row in rows] for cost, key in costs.items()}
        for name in dict.fromkeys(row["axis"] for row in record["results"])
        if (rows := [row for row in record["results"] if row["axis"] == name])
    }
    _keep(record, out, "growth", _arrays(panels))


def growth(
    folder: Annotated[Path | None, typer.Option(help="Videos to read instead of those made for it.")] = None,
    clips: Annotated[int, typer.Option(help="Clips each reader reads, each from a file opened anew.")] = 10_000,
    reader: Annotated[list[str] | None, typer.Option(help="A reader; again for more. All by default.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the JSON.")] = REPORTS,
) -> None:
    """What a process holds after every tenth of many clips, by reader: memory must not grow with clips read.

    Example: mvkit bench growth --reader av --clips 1000
    """
    from mvkit.bench.growth import bench_growth
    from mvkit.bench.record import write

    record = bench_growth(folder=folder, clips=clips, readers=reader or (), progress=typer.echo)
    typer.echo(write(record, out))


def masks(
    out: Annotated[Path | None, typer.Option(help="File for the results, as JSON.")] = None,
    rounds: Annotated[int, typer.Option(help="Pairs of step and draw for each masker.")] = 5,
) -> None:
    """Drawing 64 masks of each strategy, as a share of the ViT-S training step they are for; takes some minutes.

    Example: mvkit bench masks --out reports/benchmarks/masks.json
    """
    from mvkit.bench import bench_masks

    for cost in bench_masks(rounds=rounds, out=out):
        typer.echo(cost.line())


def ui(
    notebook: Annotated[str, typer.Argument(help="Notebook with an explorer.")] = "01_masking_explorer",
    slider: Annotated[str, typer.Option(help="Label of the slider that is moved.")] = "ratio",
    moves: Annotated[int, typer.Option(help="How many moves are measured.")] = 100,
    out: Annotated[Path | None, typer.Option(help="File for the result, as JSON.")] = None,
) -> None:
    """Time from the move of a slider to the new picture in the page, in a real JupyterLab; needs Chromium.

    Example: mvkit bench ui --out reports/benchmarks/ui.json
    """
    from mvkit.bench.ui import measure
    from mvkit.runs.notebook import find_notebook

    typer.echo(measure(find_notebook(notebook), slider=slider, moves=moves, out=out).line())


def _threads(count: int) -> None:
    import torch

    if count:
        torch.set_num_threads(count)


def _arrays(values: Any) -> dict[str, Any]:
    import numpy as np

    return {name: {label: np.array(one, np.float32) for label, one in row.items()} for name, row in values.items()}


def _keep(record: dict[str, Any], out: Path, drawing: str, values: dict[str, Any], **look: Any) -> None:
    """Write <bench>.json and the figure <bench>_figure, and say where."""
    from mvkit.bench.record import write
    from mvkit.viz import benchmarks, figure

    path = write(record, out)
    fig, drawn = getattr(benchmarks, drawing)(values, **look)
    machine = record["machine"]
    on = f"{machine.get('gpu', machine['cpu'])}, {machine['threads']} threads, torch {machine['torch']}"
    saved = figure.save(
        fig, f"{record['bench']}_figure", out, data=drawn,
        caption=f"mvkit bench {record['bench']}, {record['date']}, on {on}; median and range over rounds.",
    )  # fmt: skip
    typer.echo(f"{path}, {saved.json.with_suffix('.png')}")
