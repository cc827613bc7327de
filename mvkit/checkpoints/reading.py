"""The door for weights: a run of this kit, or an official file, as an encoder or a classifier and a full report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

from torch import Tensor

from mvkit.checkpoints.files import open_weights
from mvkit.checkpoints.native import Report, load_encoder, load_state
from mvkit.checkpoints.official import OfficialFile
from mvkit.checkpoints.tables import Resize
from mvkit.errors import CheckpointError, OptionError, unknown
from mvkit.models.classifier import VideoClassifier, body
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid

Model = VideoViT | VideoClassifier
_FRESH = ("fc_norm.", "head.")


def load(
    source: Path | str | Mapping[str, Any],
    kind: str | None = None,
    *,
    grid: TokenGrid | None = None,
    frames: int | None = None,
    image: int | tuple[int, int] | None = None,
    heads: int | None = None,
    head: bool = True,
    classes: int | None = None,
    resize_positions: Resize = False,
    **changes: Any,
) -> tuple[Model, Report]:
    """A model with the weights of a source, in eval mode, and what became of every name.

    source: a run folder or saved method of this kit, an official file (.pth .pt .bin .safetensors), or what was loaded
    from one. kind: of `kinds()`, needed where the keys fit several that differ. A pre-training file gives a VideoViT,
    a fine-tuning file a VideoClassifier with its head; head=False gives its encoder, classes=n a fresh head, of either.

    grid, or frames and image (pixels; height and width): of the clips to come, else those of the released models or of
    the file's own table. Tables that are formulas are made for that grid. Stored ones are interpolated if
    resize_positions is True, or made by their formula if "rebuild"; else another grid is refused. heads: where the
    width is of no published model. changes: fields of VideoViT that no file tells: drop_path, activation, mean, std.

        encoder, report = load("vit_b.pth", frames=16, image=224)
        classifier, report = load("vit_b.pth", classes=101, drop_path=0.1)

    Raises CheckpointError for what cannot be opened safely, is of no or of another kind, or does not fit.
    """
    if classes is not None and not head:
        raise OptionError("head=False leaves the head out, classes= makes a new one: say one of them")
    for name in changes:
        if name not in signature(VideoViT).parameters:
            raise OptionError(unknown("field of VideoViT", name, signature(VideoViT).parameters))
    if isinstance(source, (str, Path)) and Path(source).is_dir():
        if kind is not None or heads is not None or resize_positions or frames is not None or image is not None:
            raise OptionError(
                f"{source} is a folder of this kit and says its own kind and sizes: only grid= can change them"
            )
        return _native(Path(source), classes, {**changes, **({} if grid is None else {"grid": grid})})
    where = str(source) if isinstance(source, (str, Path)) else "the state given"
    file = OfficialFile(open_weights(source), kind, where, heads=heads)
    classifies = classes is not None or (file.tuned and head)
    grid = grid or file.grid(frames, image)
    positions = file.positions(grid, resize=resize_positions, classifies=classifies)
    state = file.state(positions, classifies=classifies, classes=classes)
    options = file.options(positions, classifies=classifies, **changes)
    encoder = VideoViT(grid, **options)
    model: Model = encoder
    if classifies:
        model = VideoClassifier(encoder, len(state["head.weight"]) if classes is None else classes)
    copied = _fill(model, state, where)
    if file.kind == "umt" and positions.position == "learned":
        encoder.pos_embed.requires_grad_(False)  # UMT keeps its table in the file and never trains it
    return model.eval(), replace(
        copied,
        unexpected=file.unexpected,
        reshaped=tuple(n for n in copied.matched if positions.resized and n.endswith("pos_embed")),
        left_out=_left_out(file, copied, positions.rows),
        notes=(
            f"read as '{file.kind}', {'fine-tuning' if file.tuned else 'pre-training'}",
            f"{options['heads']} heads, {encoder.config['activation']}",
            positions.note,
        ),
    )


def _native(folder: Path, classes: int | None, changes: Mapping[str, Any]) -> tuple[Model, Report]:
    encoder, report = load_encoder(folder, **changes)
    if classes is None:
        return encoder, report
    model = VideoClassifier(body(encoder, drop_path=encoder.config["drop_path"]), classes).eval()
    fresh = tuple(name for name in model.state_dict() if name.startswith(_FRESH))
    kept = tuple(f"encoder.{name}" for name in report.matched if not name.startswith(("norm.", "head.")))
    dropped = tuple(f"encoder.{name}" for name in report.matched if name.startswith(("norm.", "head.")))
    return model, Report(matched=kept, missing=fresh, left_out=dropped)


def _fill(model: Model, state: Mapping[str, Tensor], where: str) -> Report:
    """Copy the state. Only a classifier's own norm and head may be missing, and all of the state must be used."""
    report = load_state(model, state, strict=False)
    fresh = _FRESH if isinstance(model, VideoClassifier) else ()
    missing = [name for name in report.missing if not name.startswith(fresh)]
    for what, names in (("lacks", missing), ("has besides", report.unexpected), ("has, otherwise,", report.reshaped)):
        if names:
            raise CheckpointError(
                f"{where} does not fit the model that its shapes ask for: it {what} {', '.join(names[:3])}"
                f"{', ...' if len(names) > 3 else ''}; the file is not whole, or of another architecture"
            )
    return report


def _left_out(file: OfficialFile, copied: Report, rows: Mapping[str, Tensor]) -> tuple[str, ...]:
    used = {name.removeprefix("encoder.") for name in copied.matched}
    unused = [name for name in (*file.encoder, *file.top) if name not in used]
    return (*(name for name in file.left_out if name != "pos_embed" or not rows), *unused)
