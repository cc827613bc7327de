"""`mvkit data`: the cards, the set the kit makes itself, and what can be said of and done to video files."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mvkit.cli.options import AsJson, show
from mvkit.errors import DataError

Files = Annotated[list[Path], typer.Argument(help="Video files, folders of them, or manifests.")]
Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, help="Files at the same time.")]


def names(as_json: AsJson = False) -> None:
    """The data sets that have a card: clips per split, frame rate, licence.

    Example: mvkit data list
    """
    from mvkit import cards

    rows = []
    for name in cards.available():
        card = cards.load(name)
        splits = {split: found.clips for split, found in card.splits.items()}
        rows.append({"name": name, "title": card.title, "splits": splits, "fps": card.fps, "license": card.license})

    def line(row: dict[str, Any]) -> str:
        clips = ", ".join(f"{split} {'?' if count is None else count}" for split, count in row["splits"].items())
        return f"{row['name']:<24} {clips:<48} fps {row['fps'] or '?'}  licence {row['license'] or 'unknown'}"

    show(rows, as_json, line)


def make(
    out: Annotated[Path, typer.Option(help="Folder for the set; one folder per spec is made in it.")] = Path("data"),
    clips: Annotated[int, typer.Option(help="How many, the validation clips among them.")] = 320,
    val: Annotated[int, typer.Option(help="How many of them for validation.")] = 64,
    frames: Annotated[int, typer.Option(help="Frames of a clip.")] = 24,
    size: Annotated[int, typer.Option(help="Side of a frame in pixels.")] = 64,
    seed: Annotated[int, typer.Option(help="Same seed, same pixels.")] = 0,
    story: Annotated[str, typer.Option(help="What captions tell: one, pair, turn or all.")] = "one",
    as_json: AsJson = False,
) -> None:
    """Write `moving_shapes` as real video files, with labels, captions and boxes; finish it if it was interrupted.

    Example: mvkit data make --clips 640 --val 64
    """
    from mvkit.data import shapes
    from mvkit.runs.progress import Progress

    spec = shapes.ShapesSpec(clips=clips, val=val, frames=frames, size=size, seed=seed, story=story)
    line = Progress("moving_shapes")

    def progress(done: int, of: int) -> None:
        line.show(f"{done}/{of} clips", keep=done == of)

    try:
        manifest = shapes.write(out / "moving_shapes" / spec.key, spec, progress=progress)
    finally:
        line.end()
    typer.echo(json.dumps({"manifest": str(manifest), **asdict(spec)}, indent=2) if as_json else manifest)


def audit(
    paths: Files,
    out: Annotated[Path, typer.Option(help="Where the audit is kept; an interrupted one goes on.")] = Path(
        "audit.json"
    ),
    jobs: Jobs = 1,
    as_json: AsJson = False,
) -> None:
    """Decode every file in full: which are sound, and which readers are exact on them; exit code 1 if any is not good.

    Example: mvkit data audit videos/ --out videos/audit.json -j 4
    """
    from mvkit.data.audit import AuditRecord, audit, load_audit, save_audit
    from mvkit.runs.progress import Progress

    known = load_audit(out) if out.is_file() else {}
    line, seen = Progress("audit"), dict(known)

    def progress(done: int, of: int, record: AuditRecord) -> None:
        seen[record.path] = record
        line.show(f"{done}/{of} files", {Path(record.path).name: record.state}, keep=record.state != "good")

    try:
        records = audit(_videos(paths), known=known, jobs=jobs, progress=progress)
    finally:
        line.end()
        save_audit(seen.values(), out)

    def row(record: AuditRecord) -> str:
        exact = f"exact: {', '.join(record.exact) or 'no reader'}"
        return f"{record.state:<11} {record.path}  {record.reason or exact}"

    show(records, as_json, row)
    raise typer.Exit(0 if all(record.state == "good" for record in records) else 1)


def ingest(
    paths: Files,
    out: Annotated[Path, typer.Option(help="Folder for the new files; those there already are kept.")],
    root: Annotated[
        Path | None,
        typer.Option(help="Folder whose sub-folders are kept below OUT; else each folder gets a name of its own."),
    ] = None,
    short_side: Annotated[int, typer.Option(help="Pixels of the shorter side; never enlarged.")] = 320,
    jobs: Jobs = 1,
    as_json: AsJson = False,
) -> None:
    """Re-encode videos so that every reader is exact on them and reading is fast; exit code 1 if any file failed.

    Example: mvkit data ingest videos/ --root videos --out videos_320 -j 4
    """
    from mvkit.data.ingest import IngestRecord, ingest
    from mvkit.runs.progress import Progress

    line = Progress("ingest")

    def progress(done: int, of: int, record: IngestRecord) -> None:
        line.show(f"{done}/{of} files", {Path(record.source).name: record.state}, keep=record.state == "failed")

    try:
        records = ingest(_videos(paths), out, root=root, short_side=short_side, jobs=jobs, progress=progress)
    finally:
        line.end()
    show(records, as_json, lambda record: f"{record.state:<8} {record.source}  {record.reason or record.target}")
    raise typer.Exit(0 if all(record.state != "failed" for record in records) else 1)


def _videos(paths: Sequence[Path]) -> list[Path]:
    """The files that paths mean: a video itself, the videos below a folder, the videos of a manifest; each once."""
    from mvkit.data.manifest import read_manifest
    from mvkit.data.sample import VIDEO_SUFFIXES

    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES)
            if not inside:
                raise DataError(f"{path}: no videos below it (wanted {' '.join(VIDEO_SUFFIXES)})")
            found |= dict.fromkeys(inside)
        elif path.suffix.lower() in (".json", ".jsonl", ".csv", ".txt"):
            found |= dict.fromkeys(sample.path for sample in read_manifest(path) if sample.kind == "video")
        elif not path.exists():
            raise DataError(f"{path}: no such file or folder; check the path")
        else:
            found[path] = None
    return list(found)
