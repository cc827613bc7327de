"""Every method as a diagram of its real modules: one function a method, called as the method is.

Each takes the method and the shapes that one step of it made, and places boxes for `viz.diagram.method`:

    shapes = inspect.shapes.of_step(method, clips, generator=generator)
    viz.diagram.method(viz.anatomy.mvd(method, shapes))

Words come from the modules, numbers from the shapes; nothing is known beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mvkit.viz.diagram import Diagram, of, shape_of

if TYPE_CHECKING:
    from mvkit.methods.amd import AMD
    from mvkit.methods.base import Method
    from mvkit.methods.maskagain import MaskAgain
    from mvkit.methods.mvd import MVD
    from mvkit.methods.umt import UMT
    from mvkit.methods.umt_vl import UmtVl
    from mvkit.methods.videomae import VideoMAE

Shapes = Mapping[str, tuple[int, ...]]
ERRORS = {"l2": "squared error", "l1": "L1", "smooth_l1": "smooth L1"}  # names of `losses.features.KINDS` in words


def videomae(method: VideoMAE, shapes: Shapes) -> Diagram:
    """Clip, mask, encoder, decoder, and the pixels of hidden tokens on both sides of the loss."""
    target = "normalised pixels of hidden tokens" if method.normalise_targets else "pixels of hidden tokens"
    return of(
        [
            ("clip", shape_of(shapes["clips"]), "input", 0, 0),
            (f"{method.masker.title} mask", _mask(shapes, "encoder"), "mask", 1, 0),
            ("encoder", _deep(method, "encoder", shapes["encoder"]), "student", 0, 1),
            ("decoder", _deep(method, "decoder", shapes["decoder"]), "decoder", 0, 2),
            ("head", shape_of(shapes["head"]), "decoder", 0, 3),
            (target, shape_of(shapes["targets"]), "input", 1, 3),
            ("loss", "mean squared error", "loss", 0, 4),
        ],
        [
            ("clip", "encoder"),
            (f"{method.masker.title} mask", "encoder"),
            ("encoder", "decoder"),
            ("decoder", "head"),
            ("head", "loss"),
            ("clip", target, True),
            (target, "loss", True),
        ],
    )


def mvd(method: MVD, shapes: Shapes) -> Diagram:
    """Student, mask, and for each teacher its decoder, its features and its loss."""
    mask, error = f"{method.masker.title} mask", ERRORS[method.distill_loss]
    boxes = [
        (mask, _mask(shapes, "encoder"), "mask", 0, 0),
        ("clip", shape_of(shapes["clips"]), "input", 1, 0),
        ("student", _deep(method, "encoder", shapes["encoder"]), "student", 0, 1),
    ]
    arrows: list[tuple[str, str] | tuple[str, str, bool]] = [(mask, "student"), ("clip", "student")]
    for row, (role, teacher) in enumerate(method.teachers.items()):
        asked, decoder, loss = f"{role} teacher", f"{role} decoder", f"{role} loss"
        sees = "first frame of a step" if teacher.per_frame else "all frames"
        boxes += [
            (asked, f"{sees}\n{shape_of(shapes[f'teachers.{role}'])}", "teacher", 1 + row, 1),
            (decoder, _deep(method, f"decoders.{role}", shapes[f"predictions_{role}"]), "decoder", row, 2),
            (loss, f"{error}, × {method.weights[role]:g}", "loss", row, 3),
        ]
        arrows += [("clip", asked), ("student", decoder), (decoder, loss), (asked, loss, True)]
    return of(boxes, arrows)


def _mask(shapes: Shapes, role: str) -> str:
    visible, hidden = shapes[f"visible.{role}"][1], shapes[f"hidden.{role}"][1]
    return f"{visible} of {visible + hidden} visible"


def _deep(method: Method, name: str, shape: tuple[int, ...]) -> str:
    """How many blocks a module has, and what comes of it."""
    blocks = len(list(method.get_submodule(f"{name}.blocks").children()))
    return f"{blocks} block{'s' * (blocks != 1)}\n{shape_of(shape)}"


def amd(method: AMD, shapes: Shapes) -> Diagram:
    """Two encoders that see unequal parts of a clip: pixels, layers at shared tokens, layers made up at extra ones."""
    error, projections = ERRORS[method.align_loss], f"{len(method.direct)} projections"
    student, teacher = (shapes[f"visible.{role}"][1] for role in ("student", "teacher"))
    masks = f"{method.masker.title} masks"
    boxes = [
        (masks, f"student {student}, teacher {teacher}\nof {method.encoder.grid.tokens}", "mask", 0, 0),
        ("clip", shape_of(shapes["clips"]), "input", 1, 0),
        ("student", _deep(method, "encoder", shapes["encoder"]), "student", 0, 1),
        ("video teacher", shape_of(shapes["teachers.video"]), "teacher", 3, 1),
        ("decoder", _deep(method, "decoder", shapes["decoder"]), "decoder", 0, 2),
        (projections, shape_of(shapes["direct_predictions.0"]), "decoder", 1, 2),
        ("pixel loss", f"squared error, × {method.weights['pixels']:g}", "loss", 0, 4),
        ("direct loss", f"shared tokens\n{error}, × {method.weights['direct']:g}", "loss", 1, 4),
    ]
    arrows: list[tuple[str, str] | tuple[str, str, bool]] = [
        (masks, "student"),
        (masks, "video teacher"),
        ("clip", "student"),
        ("clip", "video teacher"),
        ("student", "decoder"),
        ("decoder", "pixel loss"),
        ("student", projections),
        (projections, "direct loss"),
        ("video teacher", "direct loss", True),
    ]
    if method.generation:
        made = f"{len(method.generation)} generators"
        boxes += [
            (made, _deep(method, "generators.0", shapes["generation_predictions.0"]), "decoder", 2, 3),
            ("generation loss", f"extra tokens\n{error}, × {method.weights['generation']:g}", "loss", 2, 4),
        ]
        arrows += [(projections, made), (made, "generation loss"), ("video teacher", "generation loss", True)]
    return of(boxes, arrows)


def maskagain(method: MaskAgain, shapes: Shapes) -> Diagram:
    """Two encoders that see the same tokens; what is kept of them, and the terms on what is kept."""
    mask, seen = f"{method.masker.title} mask", shapes["visible.encoder"][1]
    boxes = [
        (mask, _mask(shapes, "encoder"), "mask", 0, 0),
        ("clip", shape_of(shapes["clips"]), "input", 1, 0),
        ("student", _deep(method, "encoder", shapes["encoder"]), "student", 0, 1),
        ("video teacher", shape_of(shapes["teachers.video"]), "teacher", 1, 1),
    ]
    arrows: list[tuple[str, str] | tuple[str, str, bool]] = [
        (start, end) for end in ("student", "video teacher") for start in (mask, "clip")
    ]
    levels = {
        ("global",): ("strongest keys of the clip", method.num_k, seen),
        ("local",): ("strongest keys of each step", method.num_k, seen // method.encoder.grid.t),
        ("hint", "relation"): ("most active tokens", method.num_f, seen),
    }
    row = 0
    for names, (what, kept, of_all) in levels.items():
        there = [name for name in names if name in method.weights]
        if there:
            boxes.append((what, f"{kept} of {of_all} kept", "mask", row, 2))
            arrows += [("student", what), ("video teacher", what, True)]
        for name in there:
            error = "divergence" if name == "relation" else "squared error"
            boxes.append((f"{name} loss", f"{error}, × {method.weights[name]:g}", "loss", row, 3))
            arrows.append((what, f"{name} loss"))
            row += 1
    return of(boxes, arrows)


def umt(method: UMT, shapes: Shapes) -> Diagram:
    """An image teacher that sees all of a clip, the mask drawn from what it attends to, and the layers aligned."""
    mask, blocks = f"{method.masker.title} mask", ", ".join(map(str, method.student_layers))
    decoders = f"{len(method.student_layers)} decoders"
    whole = (0, method.encoder.grid.tokens, shapes["targets"][-1])
    boxes = [
        ("image teacher", f"every step alone\n{shape_of(whole)}", "teacher", 0, 1),
        (mask, _mask(shapes, "encoder"), "mask", 1, 2),
        ("clip", shape_of(shapes["clips"]), "input", 2, 0),
        ("student", _deep(method, "encoder", shapes["encoder"]), "student", 2, 3),
        (decoders, f"of blocks {blocks}\n{shape_of(shapes['predictions'])}", "decoder", 2, 4),
        ("loss", {"l2": "2 - 2 cos", "mse": "squared error", "smooth_l1": "smooth L1"}[method.clip_loss], "loss", 0, 5),
    ]
    arrows = [
        ("clip", "image teacher"),
        ("clip", "student"),
        (mask, "student"),
        ("student", decoders),
        (decoders, "loss"),
        ("image teacher", "loss", True),
    ]
    return of(boxes, arrows + ([("image teacher", mask, True)] if method.needs_attention else []))


def umt_vl(method: UmtVl, shapes: Shapes) -> Diagram:
    """Clip and caption, each read by itself, the layers where words look at the clip, and the losses there are."""
    mask, text, decoders = f"{method.masker.title} mask", method.text.shape, f"{len(method.clip_decoder)} decoders"
    whole = (0, shapes["visible.encoder"][1] + shapes["hidden.encoder"][1], shapes["clip_decoder.0"][-1])
    boxes = [
        ("clip", shape_of(shapes["clips"]), "input", 1, 0),
        ("caption", f"words {shape_of(shapes['ids'])}", "input", 4, 0),
        ("image teacher", f"every step alone\n{shape_of(whole)}", "teacher", 0, 1),
        (mask, _mask(shapes, "encoder"), "mask", 1, 2),
        ("student", _deep(method, "encoder", shapes["encoder"]), "student", 2, 3),
        (
            "text encoder",
            f"{text.fusion} layers\n{shape_of(shapes[f'text.layers.{text.fusion - 1}'])}",
            "student",
            4,
            3,
        ),
        (decoders, shape_of(shapes["clip_decoder.0"]), "decoder", 1, 4),
        ("vectors", f"one of each\n{shape_of(shapes['text_proj'])}", "student", 2, 4),
    ]
    words = {
        "uta": ("alignment loss", "visible tokens", 1, decoders),
        "vtc": ("contrast loss", "clips and captions", 2, "vectors"),
        "vtm": ("matching loss", "3 pairs a clip", 3, "fusion"),
        "mlm": ("words loss", "hidden words", 4, "fusion"),
    }
    arrows = [
        ("clip", "image teacher"), ("clip", "student"), (mask, "student"), ("student", decoders),
        ("student", "vectors"), ("caption", "text encoder"), ("text encoder", "vectors"),
    ]  # fmt: skip
    there = {name: weight for name, weight in method.weights.items() if weight}
    if there.keys() & {"vtm", "mlm"}:
        fuses = f"{text.depth - text.fusion} layers look at the clip\n{shape_of(shapes['text'])}"
        boxes.append(("fusion", fuses, "student", 3, 4))
        arrows += [("student", "fusion"), ("text encoder", "fusion")]
    for name, weight in there.items():
        loss, what, row, before = words[name]
        boxes.append((loss, f"{what}, × {weight:g}", "loss", row, 5))
        arrows.append((before, loss))
    arrows += [("image teacher", "alignment loss", True)] if "uta" in there else []
    return of(boxes, arrows + ([("image teacher", mask, True)] if method.needs_attention else []))
