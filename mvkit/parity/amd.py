"""AMD pre-training against recordings of the official modules: one step, its variants, gradients and a trajectory."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mvkit.checkpoints import amd as layout
from mvkit.checkpoints.native import load_state
from mvkit.losses.features import feature_loss
from mvkit.losses.pixels import normalise_pixels, pixel_loss
from mvkit.maskers.base import TokenMask
from mvkit.maskers.nested import NestedMasker
from mvkit.methods.amd import AMD, generator
from mvkit.models.decoder import TokenDecoder
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.parity import _networks as networks
from mvkit.parity import numpy_masks
from mvkit.parity._steps import clips_of, gradient_norm, gradients, step_slack
from mvkit.parity.recording import GroupResult, Recording
from mvkit.tokens import TokenGrid, patchify
from mvkit.train.optim import adamw, decays, parameter_groups, set_rate

# The official defaults of what a recording may leave out.
_BASE = {"align_loss": "l2", "recfac": 1.0, "dirfac": 1.0, "genfac": 1.0, "normalize_target": True}


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every group the recording has, in the order of the computation."""
    method = _method(recording)
    clips = clips_of(recording["input.video"], method.encoder)
    masks = _masks(recording, method.encoder.grid)
    yield from _drawn(recording, method, masks)
    yield from _inputs(recording, method, clips, masks)
    found = method.predict(clips, masks)
    yield from _outputs(recording, method, clips, masks, found)
    yield from _losses(recording, method, found)
    yield from _variants(recording, method, clips, masks, found)
    yield from _gradients(recording, method, clips, masks)
    yield from _trajectory(recording, method, clips, masks)


def _method(recording: Recording) -> AMD:
    config, said = recording.config, {**_BASE, **recording.config}
    student, teacher = config["student"], config["teacher"]
    shape = recording["input.video"].shape
    state, weights = layout.read(recording.under("student.")), layout.teacher(recording.under("teacher."))
    encoder = networks.encoder(shape, config, **networks.sizes(student), **networks.blocks(state, "encoder."))
    taught = networks.encoder(shape, config, **networks.sizes(teacher), **networks.blocks(weights), final_norm=False)
    load_state(taught, weights)
    options = networks.sizes(config["decoder"]) | networks.blocks(state, "decoder.")
    decoder = TokenDecoder(encoder.grid, in_width=encoder.width, **options)
    width = teacher["embed_dim"]
    direct, generation = (
        list(zip(sorted(config[f"student_layers_{k}"]), sorted(config[f"teacher_layers_{k}"]), strict=True))
        for k in ("direct", "gen")
    )
    made = [
        generator(
            encoder.grid,
            width,
            config["generator_depth"],
            position="sincos_1d",
            learn_mask_token=False,
            **networks.blocks(state, f"generators.{i}."),
        )
        for i in range(len(generation))
    ]
    method = AMD(
        encoder=encoder,
        teacher=Teacher(taught, source="the recording's teacher"),
        decoder=decoder,
        projections=nn.ModuleList(nn.Linear(encoder.width, width, bias=False) for _ in direct),
        generators=nn.ModuleList(made),
        masker=NestedMasker(student_ratio=config["mask_ratio_student"], teacher_ratio=config["mask_ratio_teacher"]),
        direct=direct,
        generation=generation,
        align_loss=_loss(said["align_loss"]),
        recfac=said["recfac"],
        dirfac=said["dirfac"],
        genfac=said["genfac"],
        normalise_targets=said["normalize_target"],
    )
    tokens = {f"generators.{i}.mask_token": t for i, t in recording.under("aux.generator_mask_tokens.").items()}
    load_state(method, state | tokens)
    return method


def _masks(recording: Recording, grid: TokenGrid) -> dict[str, TokenMask]:
    return {
        "student": TokenMask(recording["input.mask_student"].bool(), grid),
        "teacher": TokenMask(recording["input.mask_teacher"].bool(), grid),
        # There 1 = visible to the teacher alone; in this kit True is always hidden.
        "extra": TokenMask(~recording["input.mask_diff"].bool(), grid),
    }


def _drawn(recording: Recording, method: AMD, masks: dict[str, TokenMask]) -> Iterator[GroupResult]:
    """The counts of our masker, and the masks of the official one drawn again from its NumPy seed."""
    config, grid = recording.config, method.encoder.grid
    counts = method.masker.counts(grid)
    for role, mask in masks.items():
        yield recording.compare(f"counts.{role}", counts[role], mask.visible_ids.shape[1])
    if "seed" in config:
        draws = numpy_masks.RandomState(config["seed"])
        ratios = config["mask_ratio_student"], config["mask_ratio_teacher"]
        drawn = [numpy_masks.nested(grid, *ratios, draws) for _ in range(len(masks["student"]))]
        for role in ("student", "teacher"):
            hidden = torch.stack([torch.from_numpy(getattr(one, role)) for one in drawn])
            yield recording.compare(f"mask_from_seed.{role}", hidden, masks[role].hidden)


def _inputs(recording: Recording, method: AMD, clips: Tensor, masks: dict[str, TokenMask]) -> Iterator[GroupResult]:
    student, extra = masks["student"], masks["extra"]
    taught = method.teachers["video"].encoder
    assert isinstance(taught, VideoViT)
    for name, table in (
        ("student", method.encoder.pos_embed),
        ("decoder", method.decoder.pos_embed),
        ("generator", _generators(method)[0].pos_embed if method.generation else taught.pos_embed),
    ):
        yield from recording.check(f"aux.pos_table_{name}", table[None])
    yield from recording.check("mid.student_tokens_in", method.encoder.embed(clips, student))
    tokens = taught.embed(clips)
    yield from recording.check("mid.teacher_tokens_in", torch.cat([student.visible(tokens), extra.visible(tokens)], 1))


def _outputs(
    recording: Recording,
    method: AMD,
    clips: Tensor,
    masks: dict[str, TokenMask],
    found: dict[str, Tensor],
) -> Iterator[GroupResult]:
    seen = method.encoder(clips, masks["student"], layers=[own for own, _ in method.generation])
    yield from recording.check("out.student_encoder", seen.tokens)
    yield from recording.check("mid.decoder_in", method.decoder.embed(seen.tokens, masks["student"]))
    for i, (own, _) in enumerate(method.generation):
        projected = method.projections[i](seen.layers[own])
        made = _generators(method)[i].embed(projected, masks["student"], wanted=masks["extra"])
        yield from recording.check(f"mid.generator_in.{i}", made)
    for short, kind, pairs in (("dir", "direct", method.direct), ("gen", "generation", method.generation)):
        for i in range(len(pairs)):
            yield from recording.check(f"out.student_{short}.{i}", found[f"{kind}_predictions.{i}"])
            yield from recording.check(f"out.teacher_{short}.{i}", found[f"{kind}_targets.{i}"])
    yield from recording.check("out.pixel_pred", found["pixel_predictions"])
    yield from recording.check("out.pixel_target", found["pixel_targets"])


def _terms(method: AMD, found: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Every loss term under its recorded name, alignment by `kind`, before weights."""
    terms = {"pixel": pixel_loss(found["pixel_predictions"], found["pixel_targets"])}
    for name, pairs in (("direct", method.direct), ("generation", method.generation)):
        each = [
            feature_loss(found[f"{name}_predictions.{i}"], found[f"{name}_targets.{i}"], _loss(kind))
            for i in range(len(pairs))
        ]
        terms |= {f"{name}.{i}": value for i, value in enumerate(each)} | {name: torch.stack(each).mean()}
    return terms


def _losses(recording: Recording, method: AMD, found: dict[str, Tensor]) -> Iterator[GroupResult]:
    terms = _terms(method, found, method.align_loss)
    weights = method.weights
    terms["total"] = sum((weights[ours] * terms[theirs] for ours, theirs in _NAMES.items()), start=torch.zeros(()))
    for name, value in terms.items():
        yield from recording.check(f"loss.{name}", value)
        yield from recording.number(f"scalars.loss.{name}", value, _scalars(recording).get(f"loss.{name}"))


def _scalars(recording: Recording) -> dict[str, float]:
    return recording.sidecar.get("scalars", {})


def _loss(name: str) -> str:
    """Our name of an official loss."""
    return {"sml1": "smooth_l1"}.get(name, name)


_NAMES = {"pixels": "pixel", "direct": "direct", "generation": "generation"}


def _variants(
    recording: Recording, method: AMD, clips: Tensor, masks: dict[str, TokenMask], found: dict[str, Tensor]
) -> Iterator[GroupResult]:
    """The same inputs under other losses, factors and targets."""
    raw = masks["student"].hidden_part(patchify(clips, tubelet=method.encoder.tubelet, patch=method.encoder.patch))
    for i, said in enumerate(recording.sidecar.get("variants", ())):
        said = {**_BASE, **recording.config, **said}
        targets = normalise_pixels(raw) if said["normalize_target"] else raw
        terms = _terms(method, {**found, "pixel_targets": targets}, said["align_loss"])
        factors = said["recfac"], said["dirfac"], said["genfac"]
        parts = terms["pixel"], terms["direct"], terms["generation"]
        terms["total"] = sum((f * p for f, p in zip(factors, parts, strict=True)), start=torch.zeros(()))
        for name in ("pixel", "direct", "generation", "total"):
            yield from recording.number(f"variants.{i}.{name}", terms[name], said.get(name))


def _gradients(recording: Recording, method: AMD, clips: Tensor, masks: dict[str, TokenMask]) -> Iterator[GroupResult]:
    tokens = [made.mask_token.requires_grad_() for made in _generators(method)]
    method.compute(clips, masks).loss.backward()
    yield from gradients(recording, method, layout.write)
    official = layout.write({name: p.grad for name, p in method.named_parameters() if p.grad is not None})
    norms = recording.sidecar.get("grad_norms", {})
    dead = {name for name in official if layout.is_dead(name)}
    for name, wanted in norms.items():
        if wanted is None:
            here = float("inf") if name in official and name not in dead else 0.0
            yield GroupResult(recording.name, f"grad_norms.{name}", here, 0.0, "no gradient there")
        else:
            yield recording.compare(f"grad_norms.{name}", official[name].norm(), float(wanted))
    for i, wanted in enumerate(recording.sidecar.get("generator_mask_token_grad_norms", ())):
        yield recording.compare(f"generator_mask_token_grad_norms.{i}", _grad(tokens[i]).norm(), float(wanted))
    for token in tokens:
        token.requires_grad_(False)
        token.grad = None
    norm = gradient_norm(method)
    yield from recording.number("scalars.grad.total_norm", norm, _scalars(recording).get("grad.total_norm"))
    if "param_groups" in recording.sidecar:
        yield from _groups(recording, method)


def _groups(recording: Recording, method: AMD) -> Iterator[GroupResult]:
    """Which official parameters decay; those of the dead norms, which we do not have, follow by rank."""
    kept = layout.write({name: p for name, p in method.named_parameters() if not decays(p)})
    said = recording.sidecar["param_groups"]
    for name in said["no_decay"] + said["decay"]:
        wanted = name in said["no_decay"]
        got = layout.is_dead(name) or name in kept
        yield recording.compare(f"param_groups.{name}", torch.tensor(got), torch.tensor(wanted))


def _generators(method: AMD) -> list[TokenDecoder]:
    return [made for made in method.generators if isinstance(made, TokenDecoder)]


def _grad(token: Tensor) -> Tensor:
    return torch.zeros_like(token) if token.grad is None else token.grad


def _trajectory(recording: Recording, method: AMD, clips: Tensor, masks: dict[str, TokenMask]) -> Iterator[GroupResult]:
    """A few clipped AdamW steps on the same batch."""
    said = recording.sidecar.get("optimiser_trajectory")
    if said is None:
        return
    settings = said["settings"]
    groups = parameter_groups(method, settings["weight_decay"])
    optimiser = adamw(groups, betas=tuple(settings["betas"]), eps=settings["eps"])
    clip = settings.get("clip_grad_norm") or float("inf")
    slack = {name: torch.zeros_like(parameter) for name, parameter in method.named_parameters()}
    for step in said["steps"]:
        optimiser.zero_grad(set_to_none=True)
        out = method.compute(clips, masks)
        out.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(method.parameters(), clip)
        got = {"total": out.loss, "grad_norm_before_clip": norm}
        got |= {theirs: out.parts[ours] for ours, theirs in _NAMES.items() if ours in out.parts}
        for name, value in got.items():
            yield from recording.number(f"trajectory.{step['step']}.{name}", value, step.get(name))
        set_rate(optimiser, step["lr"])
        optimiser.step()
        slack = {name: slack[name] + more for name, more in step_slack(method, optimiser, step["lr"]).items()}
    official = layout.write(dict(method.named_parameters()))
    slack = layout.write(slack)
    after = f"after{len(said['steps'])}."
    for name, wanted in recording.under(after).items():
        if layout.is_dead(name):  # no gradient, no step, no decay: still what it was
            yield recording.compare(f"{after}{name}", recording[f"student.{name}"], wanted)
            continue
        yield recording.compare(f"{after}{name}", official[name].view_as(wanted), wanted, slack=slack[name])
