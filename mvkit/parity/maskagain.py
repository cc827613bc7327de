"""MaskAgain against recordings of the official modules, with projections or without: one step and its other modes."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from mvkit.checkpoints import maskagain as layout
from mvkit.checkpoints.native import load_state
from mvkit.losses.relations import relation
from mvkit.losses.remasking import Remasked
from mvkit.maskers.base import TokenMask
from mvkit.maskers.tube import TubeMasker
from mvkit.methods.maskagain import MaskAgain, make_projections, weigh
from mvkit.models.teachers import Teacher
from mvkit.models.vit import Encoded, VideoViT
from mvkit.parity import _networks as networks
from mvkit.parity import numpy_masks
from mvkit.parity._steps import clips_of, gradients
from mvkit.parity.recording import GroupResult, Recording

_SETTINGS = ("kd_T", "num_k", "num_f", "temperature_s", "temperature_t")
_WEIGHTS = ("gamma", "alpha", "beta", "beta_kd1", "beta_kd2")


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every group the recording has, in the order of the computation."""
    recording.under("teacher_unused.")  # keys a real teacher file has besides; nothing may depend on them
    settings = recording.config["loss"]
    method = _method(recording, settings)
    clips = clips_of(recording["video"], method.encoder)
    mask = TokenMask(recording["mask"].bool(), method.encoder.grid)
    yield from _drawn(recording, mask)
    # The mode that looks at attention, so that whatever was recorded of it can be checked.
    hybrid = _method(recording, {**settings, "distill": "hybrid"})
    with torch.no_grad():
        student, teacher = hybrid.look(clips, mask)
    yield from _encoders(recording, hybrid, student, teacher)
    yield from _hidden(recording, hybrid, student, teacher)
    yield from _output(recording, hybrid, student, teacher)
    yield from _losses(recording, "", method, clips, mask, settings, recording.sidecar.get("losses", {}))
    method.compute(clips, mask).loss.backward()
    yield from gradients(recording, method, _official)
    yield from _modes(recording, clips, mask)


def _method(recording: Recording, said: Mapping[str, Any], value_order: str = "strided") -> MaskAgain:
    config = recording.config
    student, teacher = (_encoder(recording, side) for side in ("student", "teacher"))
    state = layout.read(recording.under("student.") | recording.under("projector."))
    # All that were recorded, whether this mode uses them or not.
    parts = {name.split(".")[1].split("_")[0] for name in state if name.startswith("projections.")}
    parts = dict.fromkeys({"hint" if part == "output" else part for part in parts}, 1.0)
    maps = make_projections(student.width, teacher.width, parts) if parts else None
    method = MaskAgain(
        encoder=student,
        teacher=Teacher(teacher, source="the recording's teacher"),
        masker=TubeMasker(ratio=config["mask_ratio"]),
        projections=maps,
        block=student.depth,
        teacher_block=teacher.depth,
        weights=_weights(said),
        value_order=value_order,
        **{name: said[name] for name in _SETTINGS},
    )
    load_state(method, state)
    return method


def _weights(said: Mapping[str, Any]) -> dict[str, float]:
    return weigh(said["distill"], onlykd=said.get("onlykd", False), **{name: said[name] for name in _WEIGHTS})


def _encoder(recording: Recording, side: str) -> VideoViT:
    state = layout.encoder(recording.under(f"{side}."))
    options = networks.sizes(recording.config[side]) | networks.blocks(state)
    encoder = networks.encoder(recording["video"].shape, recording.config, final_norm=False, **options)
    load_state(encoder, state)
    return encoder


def _drawn(recording: Recording, mask: TokenMask) -> Iterator[GroupResult]:
    yield from recording.check("visible_idx", mask.visible_ids)
    counts = {
        "n_slots": mask.grid.t,
        "n_tokens": mask.grid.tokens,
        "n_visible_per_sample": TubeMasker(ratio=recording.config["mask_ratio"]).counts(mask.grid)["encoder"],
        "n_visible_per_slot": mask.visible_ids.shape[1] // mask.grid.t,
    }
    for name, got in counts.items():
        if name in recording.sidecar:
            yield recording.compare(name, got, recording.sidecar[name])
    if seed := re.search(r"seeded with (\d+)", recording.sidecar.get("mask_rng", "")):
        draws = numpy_masks.RandomState(int(seed[1]))
        drawn = [numpy_masks.tube(mask.grid, recording.config["mask_ratio"], draws) for _ in range(len(mask))]
        yield recording.compare("mask_from_seed", torch.stack([torch.from_numpy(one) for one in drawn]), mask.hidden)


def _encoders(recording: Recording, method: MaskAgain, student: Encoded, teacher: Encoded) -> Iterator[GroupResult]:
    for side, seen, block in (("student", student, method.block), ("teacher", teacher, method.teacher_block)):
        yield from recording.check(f"encoder.{side}.features", seen.tokens)
        yield from recording.check(f"encoder.{side}.attn_logits", seen.heads[block].logits)
        yield from recording.check(f"encoder.{side}.values", seen.heads[block].values)


def _hidden(recording: Recording, method: MaskAgain, student: Encoded, teacher: Encoded) -> Iterator[GroupResult]:
    heads = recording.config["teacher"]["num_heads"]
    for side, seen, block in (("student", student, method.block), ("teacher", teacher, method.teacher_block)):
        for level in ("global", "local"):
            if not any(name.startswith(f"hidden.{level}.{side}.") for name in recording.tensors):
                continue  # more keys may be kept of a clip than a step has
            start, found = f"hidden.{level}.{side}", method.remask(level, seen.heads[block])
            yield from recording.check(f"{start}.prob", found.prob)
            yield from recording.check(f"{start}.mask", found.kept)
            yield from recording.check(f"{start}.kept_mass", found.mass)
            yield from recording.check(f"{start}.agg", found.summed)
            if f"{start}.topk_idx" in recording:
                yield from _indices(recording, f"{start}.topk_idx", found)
            if f"{start}.agg_projected" in recording:
                flat = method.projected(f"{level}_{side}", found.summed)
                rows = rearrange(flat, "b r (c d) -> b c r d", c=heads)
                wanted = recording[f"{start}.agg_projected"]
                yield recording.compare(f"{start}.agg_projected", rows.reshape(wanted.shape), wanted)


def _indices(recording: Recording, name: str, found: Remasked) -> Iterator[GroupResult]:
    """Kept keys as sorted numbers, whatever order the recording lists them in."""
    wanted = recording[name]
    got = found.prob.topk(wanted.shape[-1], dim=-1).indices.sort(-1).values
    yield recording.compare(name, got, wanted.long().sort(-1).values)


def _output(recording: Recording, method: MaskAgain, student: Encoded, teacher: Encoded) -> Iterator[GroupResult]:
    activation = teacher.tokens.abs().sum(-1)
    _, kept = method.hint_loss(student.tokens, teacher.tokens)
    batch, count = len(kept), method.num_f
    yield from recording.check("output.activation", activation)
    yield from recording.check("output.threshold", activation.topk(count, dim=-1).values[:, -1])
    yield from recording.check("output.mask", kept)
    yield from recording.check("output.idx", kept.nonzero()[:, 1].view(batch, -1))
    masked = student.tokens * kept[..., None]
    yield from recording.check("output.teacher_masked", teacher.tokens * kept[..., None])
    yield from recording.check("output.student_masked", masked)
    if method.projections is not None:
        yield from recording.check("output.student_aligned", method.projections["output"](masked))
    own = relation(student.tokens[kept], method.temperature_s)
    theirs = relation(teacher.tokens[kept], method.temperature_t)
    yield from _apart(recording, "relation.sim_student", own.similarity)
    yield from _apart(recording, "relation.sim_teacher", theirs.similarity)
    yield from recording.check("relation.p_teacher", theirs.log_prob.exp())
    yield from _apart(recording, "relation.logp_student", own.log_prob)


def _apart(recording: Recording, name: str, got: Tensor) -> Iterator[GroupResult]:
    """Relations of each row to the others, and to itself as a group apart: those are so large a constant that beside
    them, in one tolerance, an error of the others would not show."""
    if name in recording:
        wanted = recording[name]
        diagonal = torch.eye(len(wanted), dtype=torch.bool)
        yield recording.compare(name, got.masked_fill(diagonal, 0), wanted.masked_fill(diagonal, 0))
        difference = (got.diagonal() - wanted.diagonal()).abs().max()
        rounding = 2 * torch.finfo(wanted.dtype).eps * wanted.diagonal().abs().max()
        yield GroupResult(recording.name, f"{name}.self", float(difference), float(rounding))


def _losses(
    recording: Recording,
    mode: str,
    method: MaskAgain,
    clips: Tensor,
    mask: TokenMask,
    settings: Mapping[str, Any],
    said: Mapping[str, float],
) -> Iterator[GroupResult]:
    """All terms of one setting; `hidden` is the weighted sum of the branches, before beta."""
    with torch.no_grad():
        out = method.compute(clips, mask)
    terms = {**out.parts, "total": out.loss}
    within = _weights({**settings, "beta": 1.0})
    if branches := [within[name] * out.parts[name] for name in ("global", "local") if name in out.parts]:
        terms["hidden"] = torch.stack(branches).sum()
    for name, value in terms.items():
        if not mode:
            yield from recording.check(f"loss.{name}", value)
        yield from recording.number(f"{mode or 'sidecar'}.loss.{name}", value, said.get(name))
    for name in said.keys() - terms.keys():
        yield GroupResult(recording.name, f"{mode or 'sidecar'}.loss.{name}", float("inf"), 0.0, "no such term here")


def _modes(recording: Recording, clips: Tensor, mask: TokenMask) -> Iterator[GroupResult]:
    """The same inputs under other settings, and with the values in the order one would expect."""
    settings = recording.config["loss"]
    for mode, said in recording.sidecar.get("modes", {}).items():
        changed = settings | said["overrides"]
        method = _method(recording, changed)
        yield from _losses(recording, mode, method, clips, mask, changed, said["losses"])
    said = recording.sidecar.get("not_from_official_code", {}).get("frame_ordered_local", {})
    if said:
        method = _method(recording, settings, value_order="frame")
        numbers = {name: value for name, value in said.items() if name != "what"}
        yield from _losses(recording, "frame_ordered_local", method, clips, mask, settings, numbers)


def _official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names -> the recording's, which puts the two kinds of weights in two places."""
    official = layout.write(state)
    return {f"{'projector' if name.startswith('Align') else 'student'}.{name}": v for name, v in official.items()}
