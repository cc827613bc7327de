"""UMT stage 1 against recordings of the official modules: teacher, masks, student, losses, one step, fine-tuning.

Everything is built from the sidecar and the weights: other depths, intervals, resolutions, non-square clips and longer
patches need no case of their own.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from mvkit.checkpoints import clip as clip_layout
from mvkit.checkpoints import umt as layout
from mvkit.checkpoints.native import load_state
from mvkit.losses.alignment import KINDS, alignment_loss
from mvkit.maskers.attention import AttentionMasker
from mvkit.maskers.base import TokenMask
from mvkit.methods.umt import UMT, visible_features
from mvkit.models.classifier import VideoClassifier
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.parity import _networks as networks
from mvkit.parity._steps import clips_of, gradient_norm, gradients, kept_first, step_slack
from mvkit.parity.recording import GroupResult, Recording
from mvkit.train.optim import adamw, parameter_groups, set_rate


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every group the recording has, in the order of the computation."""
    video = recording["input.videos"]
    method = _method(recording, video)
    clips = clips_of(video, method.encoder)
    for name in ("encoder_pos_embed", "clip_pos_embed"):
        yield from recording.check(f"student_buffers.{name}", method.encoder.pos_embed[None])
    for name, layers in (("student", method.student_layers), ("teacher", method.teacher_layers)):
        yield from _results(recording, f"{name}_return_index", [number - 1 for number in reversed(layers)])
    yield from _results(recording, "num_visible_per_frame_attention", _kept(method))
    yield from _teacher(recording, method, clips)
    features = method.targets(clips)["features"]
    kinds = [name.removesuffix(".mask") for name in recording.tensors if name.endswith(".mask")]
    for name in sorted(kinds, key=lambda name: name == "attention"):  # last, because its step changes the weights
        yield from _masked(recording, method, clips, features, name)
    yield from _finetuning(recording)


def _method(recording: Recording, video: Tensor) -> UMT:
    config, state = recording.config, layout.read(recording.under("student."))
    student, teacher = config["student"], config["teacher"]
    method = UMT(
        encoder=_encoder(student, video, **networks.blocks(state, "encoder.")),
        teacher=_clip(recording, video),
        masker=AttentionMasker(ratio=config.get("mask_ratio", 0.8)),
        clip_return_layer=student["clip_return_layer"],
        clip_return_interval=teacher.get("clip_return_interval", 1),
        clip_student_return_interval=student.get("clip_student_return_interval", 1),
        clip_norm_type=student.get("clip_norm_type", "l2"),
    )
    load_state(method, state)
    return method


def _encoder(student: dict[str, Any], video: Tensor, **options: Any) -> VideoViT:
    eps = student.get("norm_eps", 1e-6)
    return networks.encoder(video.shape, student, tubelet=1, **networks.sizes(student), norm_eps=eps, **options)


def _clip(recording: Recording, video: Tensor) -> Teacher:
    """The teacher, on the pictures it was given if they were recorded, else at its stated resolution."""
    config = recording.config["teacher"]
    size = config.get("input_resolution", video.shape[-2:])
    if "teacher_in.videos" in recording:
        size = recording.tensors["teacher_in.videos"].shape[-2:]
    return networks.clip_teacher(config, clip_layout.read(recording.under("teacher.")), size, recording.name)


def _results(recording: Recording, key: str, got: Any) -> Iterator[GroupResult]:
    """A number, or a list of them, that the sidecar says; tensors are compared to the recording's own tolerance."""
    said = recording.sidecar.get("results", {})
    if isinstance(got, Tensor):
        yield from recording.number(f"results.{key}", got, said.get(key))
    elif key in said:
        yield recording.same(f"results.{key}", got, said[key])


def _kept(method: UMT) -> int:
    """Visible tokens of a step under attention-guided masking."""
    return method.masker.counts(method.encoder.grid)["encoder"] // method.encoder.grid.t


def _teacher(recording: Recording, method: UMT, clips: Tensor) -> Iterator[GroupResult]:
    encoder = method.teachers["clip"].encoder
    assert isinstance(encoder, VideoViT)
    seen: dict[str, Tensor] = {}

    def keep(name: str, _module: Any, given: Any, gave: Any) -> None:
        seen[name] = given[0] if name == "in" else gave[0]

    hooks = [encoder.register_forward_hook(partial(keep, "in"))]
    hooks += [block.register_forward_hook(partial(keep, str(i))) for i, block in enumerate(encoder.blocks)]
    features, attention = method.teach(clips)
    for hook in hooks:
        hook.remove()
    pictures = (seen["in"] - encoder.mean.view(3, 1, 1, 1)) / encoder.std.view(3, 1, 1, 1)
    yield from recording.check("teacher_in.videos", rearrange(pictures, "(b t) c d h w -> b c (t d) h w", b=len(clips)))
    for number in range(encoder.depth):
        yield from recording.check(f"teacher_mid.resblock_{number}", seen[str(number)].transpose(0, 1))
    yield from recording.check("teacher_out.features_unnormalised", features.transpose(0, 1))
    yield from recording.check("teacher_out.features", method.norm(features).transpose(0, 1))
    assert attention is not None
    yield from recording.check("teacher_out.attn", attention.flatten(0, 1))


def _masked(recording: Recording, method: UMT, clips: Tensor, features: Tensor, name: str) -> Iterator[GroupResult]:
    """One kind of mask: what it hides, what the student makes of the rest, and every loss."""
    mask = TokenMask(recording[f"{name}.mask"].bool(), method.encoder.grid)
    if f"{name}.importance" in recording:
        mask = kept_first(recording[f"{name}.importance"], _kept(method), method.encoder.grid)
        yield recording.compare(f"{name}.mask", mask.hidden, recording[f"{name}.mask"])
    normed = method.student(clips, mask)
    yield from recording.check(f"{name}.student_encoder_out", normed.transpose(0, 1))
    predictions, wanted = method.decode(normed, mask), visible_features(features, mask)
    yield from recording.check(f"{name}.student_out", predictions.transpose(0, 1))
    yield from recording.check(f"{name}.target", wanted.transpose(0, 1))
    said = recording.sidecar.get("results", {}).get("losses", {})
    for kind in KINDS:
        loss, group = alignment_loss(predictions, wanted, kind), f"{name}.loss_{kind}"
        yield from recording.check(group, loss[None])
        yield from recording.number(f"results.losses.{group}", loss, said.get(group))
    if name == "attention":
        yield from _step(recording, method, alignment_loss(predictions, wanted, "l2"))


def _step(recording: Recording, method: UMT, loss: Tensor) -> Iterator[GroupResult]:
    """Gradients of the l2 loss, the engine's numbers, and the parameters after one step of AdamW."""
    method.zero_grad()
    loss.backward()
    yield from gradients(recording, method, layout.write, "attention.grad.")
    weight = recording.config.get("clip_loss_ratio", 1.0)
    for name, got in (("loss", weight * loss), ("grad_norm", weight * gradient_norm(method))):
        yield from recording.check(f"engine.{name}", got[None])
        yield from _results(recording, f"engine_{name}", got)
    if "optim" not in recording.config:
        return
    optim = recording.config["optim"]
    optimiser = adamw(
        parameter_groups(method, optim["weight_decay"]), betas=tuple(optim["betas"]), eps=optim.get("eps", 1e-8)
    )
    set_rate(optimiser, optim["lr"])
    optimiser.step()
    stepped, slack = layout.write(method.state_dict()), layout.write(step_slack(method, optimiser, optim["lr"]))
    for name, wanted in recording.under("attention.after_step.").items():
        yield recording.compare(f"attention.after_step.{name}", stepped[name], wanted, slack=slack[name])


def _finetuning(recording: Recording) -> Iterator[GroupResult]:
    """The classifier started from the student, with the head that was recorded."""
    if "finetune.input" not in recording:
        return
    video, student = recording["finetune.input"], recording.config["student"]
    state = layout.encoder(recording.under("student."))
    encoder = _encoder(student, video, final_norm=False, **networks.blocks(state))
    encoder.pos_embed = layout.finetuning_positions(encoder.grid, encoder.width, patch=encoder.patch)
    yield from recording.check("finetune.pos_embed", encoder.pos_embed[None])
    load_state(encoder, state)
    head = {name: recording[f"finetune.{name}"] for name in _HEAD if f"finetune.{name}" in recording}
    if len(head) == len(_HEAD) and "finetune.logits" in recording:
        model = VideoClassifier(encoder, classes=len(head["head.bias"])).eval()
        load_state(model, {**head, **{f"encoder.{name}": value for name, value in state.items()}})
        with torch.no_grad():
            yield recording.compare("finetune.logits", model(clips_of(video, encoder)), recording["finetune.logits"])
    # The table is a parameter there, and missing in a pre-training file, unless it is the one it is made as.
    fitted = encoder.grid.tokens != layout.finetuning_grid(encoder.patch).tokens
    got = {
        "missing_keys": sorted([*_HEAD, *(["pos_embed"] if fitted else [])]),
        "unexpected_keys": sorted(set(recording.under("student.encoder.")) - set(layout.write(state))),
        "pos_embed_is_parameter": fitted,
    }
    yield from _results(recording, "finetune_load", got)


_HEAD = ("fc_norm.weight", "fc_norm.bias", "head.weight", "head.bias")
