"""`mvkit eval TASK RUN`: what a run is worth, with controls; results.json beside the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mvkit.cli.options import AsJson, say
from mvkit.errors import OptionError

if TYPE_CHECKING:
    from mvkit.eval.outcome import Outcome
    from mvkit.eval.tuning import TuneSpec

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
TheManifest = Annotated[Path | None, typer.Option(help="Another list than the run's own.")]
Split = Annotated[str, typer.Option(help="Part of the list that is tested.")]
Seeds = Annotated[str, typer.Option(help="Seeds, as 0,1,2; several give their mean, lowest and highest as well.")]
Out = Annotated[Path | None, typer.Option(help="Folder of results.json; by default RUN.eval/TASK.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, ...; auto takes the best there is.")]
Tune = Annotated[
    list[str] | None, typer.Option("--tune", "-t", help="Fine-tune first; a field of TuneSpec, as lr=1e-4; again.")
]
Recipe = Annotated[str, typer.Option(help="Fine-tune first, as published; --tune changes its fields.")]
Top = Annotated[int, typer.Option(help="Candidates of a query, or answers, that are asked in full.", min=1)]


def retrieval(
    run: RunFolder,
    manifest: TheManifest = None,
    split: Split = "val",
    captions: Annotated[int, typer.Option(help="Of each clip, the first ones; 0 for all.", min=0)] = 1,
    top: Top = 128,
    tune: Tune = None,
    recipe: Recipe = "",
    seeds: Seeds = "0",
    out: Out = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Captions to clips and back, by cosine and re-ranked; controls: one frame, and shuffled words. For umt_vl.

    Example: mvkit eval retrieval runs/vl --top 32 --tune epochs=5 --tune lr=1e-4
    """
    from mvkit.eval.retrieval import retrieval as score

    def one(seed: int) -> Outcome:
        said = {"split": split, "captions": captions, "top": top, "seed": seed, "device": device, "progress": _tell}
        return score(run, manifest, tuning=_tuning(tune, recipe, seed), **said)

    _keep(one, seeds, run, out, as_json)


def choice(
    run: RunFolder,
    manifest: TheManifest = None,
    split: Split = "val",
    tune: Tune = None,
    recipe: Recipe = "",
    seeds: Seeds = "0",
    out: Out = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Which of a few captions is the clip's? Controls: one frame, and none. For umt_vl.

    Example: mvkit eval choice runs/vl
    """
    from mvkit.eval.choice import choice as score

    def one(seed: int) -> Outcome:
        return score(run, manifest, split=split, tuning=_tuning(tune, recipe, seed), device=device, progress=_tell)

    _keep(one, seeds, run, out, as_json)


def qa(
    run: RunFolder,
    manifest: TheManifest = None,
    split: Split = "val",
    shown: Annotated[list[str] | None, typer.Option(help="clip, 'one frame' or 'no clip'; all by default.")] = None,
    top: Top = 128,
    tune: Tune = None,
    recipe: Recipe = "",
    seeds: Seeds = "0",
    out: Out = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Questions about clips, from a fixed list of answers, after fine-tuning; controls are fine-tuned too. For umt_vl.

    Example: mvkit eval qa runs/vl --tune epochs=5 --tune together=8 --seeds 0,1,2
    """
    from mvkit.eval.opened import VIEWS
    from mvkit.eval.qa import qa as score

    def one(seed: int) -> Outcome:
        said = {"split": split, "shown": shown or tuple(VIEWS), "top": top, "device": device, "progress": _tell}
        return score(run, manifest, _tuning(tune, recipe, seed, always=True), **said)

    _keep(one, seeds, run, out, as_json)


def classify(
    run: RunFolder,
    manifest: TheManifest = None,
    split: Split = "val",
    labels: Annotated[list[str] | None, typer.Option(help="A label set; again for more. All by default.")] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="knn, probe, attentive or finetune; again. knn and probe by default.")
    ] = None,
    few: Annotated[str, typer.Option(help="Labels of each class, as 1,4,16,0; 0 for all.")] = "0",
    several: Annotated[bool, typer.Option("--several", help="Several labels a clip, of its tracks: mAP.")] = False,
    epochs: Annotated[int, typer.Option(help="Of fine-tuning.", min=1)] = 25,
    seeds: Seeds = "0",
    out: Out = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Classes of clips, with all labels or few; another --manifest shows what transfers.

    Controls: one frame, and an untrained encoder.

    Example: mvkit eval classify runs/tiny --measure probe --few 1,4,16,0 --seeds 0,1,2
    """
    from mvkit.eval.classification import classification

    def one(seed: int) -> Outcome:
        return classification(
            run, manifest, split=split, labels=labels or (), measures=measure or ("knn", "probe"),
            few=_numbers(few, "--few"), several=several, epochs=epochs, seed=seed, device=device,
        )  # fmt: skip

    _keep(one, seeds, run, out, as_json)


def detection(
    run: RunFolder,
    clips: Annotated[int, typer.Option(help="Clips of the embedded set.", min=8)] = 1024,
    val: Annotated[int, typer.Option(help="How many of them are held out.", min=8)] = 512,
    tune: Annotated[list[str] | None, typer.Option("--tune", "-t", help="A field of DetectionSpec; again.")] = None,
    seeds: Seeds = "0",
    out: Out = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """What moves where in moving_shapes, box by box, after fine-tuning: frame mAP. Control: the keyframe alone.

    AVA's own files: mvkit.eval.detection.

    Example: mvkit eval detection runs/tiny --clips 256 --val 128
    """
    from mvkit.eval.detection import detection as score

    def one(seed: int) -> Outcome:
        return score(run, clips=clips, val=val, seed=seed, device=device, progress=_tell, **_fields(tune)).outcome

    _keep(one, seeds, run, out, as_json)


def _keep(one: Callable[[int], Outcome], seeds: str, run: Path, out: Path | None, as_json: bool) -> None:
    """Ask with each seed, write results.json and print the table."""
    from mvkit.eval.outcome import over_seeds

    outcome = over_seeds({seed: one(seed) for seed in _numbers(seeds, "--seeds")})
    path = outcome.write(out or run.resolve().with_name(f"{run.resolve().name}.eval") / outcome.task)
    typer.echo(path.read_text(encoding="utf-8").rstrip() if as_json else f"{outcome}\n{path}")


def _tuning(said: list[str] | None, recipe: str, seed: int, *, always: bool = False) -> TuneSpec | None:
    """The spec of a fine-tuning; None where none is asked for."""
    from mvkit.eval.tuning import TuneSpec
    from mvkit.eval.tuning_recipes import tuning_recipe

    if not (said or recipe or always):
        return None
    changes = {"seed": seed, **_fields(said)}
    return tuning_recipe(recipe).but(**changes) if recipe else TuneSpec(**changes)


def _fields(said: list[str] | None) -> dict[str, Any]:
    """name=value, where a value is JSON or else text. Raises OptionError for another form."""
    fields = {}
    for one in said or []:
        name, mark, value = one.partition("=")
        if not (name and mark and value):
            raise OptionError(f"--tune wants name=value, as lr=1e-4, got '{one}'")
        try:
            fields[name] = json.loads(value)
        except json.JSONDecodeError:
            fields[name] = value
    return fields


def _numbers(said: str, option: str) -> list[int]:
    try:
        return [int(part) for part in said.split(",")]
    except ValueError:
        raise OptionError(f"{option} wants whole numbers with commas, as 0,1,2, got '{said}'") from None


def _tell(line: dict[str, Any]) -> None:
    if line["step"] == line.get("steps") or line["step"] % 20 == 0:
        of = f"/{line['steps']}" if "steps" in line else ""
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in line.items() if name not in ("step", "steps"))
        say(f"step {line['step']}{of}: {numbers}")
