"""MVD distillation against recordings of the official modules: teachers, one step, its gradients, weight transfer.

Student and teachers may each have their own size, patch, width and clips. A recording with one teacher is checked on
that one.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from mvkit.checkpoints import mae, mvd, videomae
from mvkit.checkpoints._names import below
from mvkit.checkpoints.native import load_state
from mvkit.errors import OptionError, unknown
from mvkit.losses.features import feature_loss, normalise_features
from mvkit.maskers.base import Masker, TokenMask
from mvkit.maskers.random import RandomMasker
from mvkit.maskers.tube import TubeMasker
from mvkit.methods.mvd import MVD
from mvkit.models.decoder import TokenDecoder
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.parity import _networks as networks
from mvkit.parity._steps import clips_of, gradient_norm, gradients, transfer
from mvkit.parity.recording import GroupResult, Recording

_SUFFIX = {"image": "img", "video": "vid"}
_LOSSES = {"smoothl1": "smooth_l1", "l1": "l1", "l2": "l2", "mse": "l2"}
_MASKERS: dict[str, type[Masker]] = {"tube": TubeMasker, "random": RandomMasker}


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every group the recording has, in the order of the computation."""
    method = _method(recording)
    clips = clips_of(recording["video"], method.encoder)
    mask = TokenMask(recording["mask"].bool(), method.encoder.grid)
    if "mask_ratio" in recording.config:
        visible = method.masker.counts(method.encoder.grid)["encoder"]
        yield recording.compare("visible_count", visible, mask.visible_ids.shape[1])
    yield from _tables(recording, method)

    features = {role: method.ask(role, clips_of(_shown(recording, role), method.encoder)) for role in method.teachers}
    for role, said in features.items():
        yield from recording.check(f"{role}_teacher_features", said)
        yield from recording.check(f"{role}_teacher_features_norm", normalise_features(said))
    yield from _encoder_out(recording, method, clips, mask)
    predictions = method.predict(clips, mask)
    for role, got in predictions.items():
        yield from recording.check(f"pred_{_SUFFIX[role]}", got)
        yield from recording.check(f"target_{_SUFFIX[role]}", method.wanted(features[role], mask))

    losses = _losses(method, predictions, features, mask)
    for name, loss in losses.items():
        yield from recording.check(name, loss)
        yield from recording.number(f"sidecar.{name}", loss, recording.sidecar.get(name))
    losses["loss"].backward()
    yield from gradients(recording, method, mvd.write)
    yield from recording.check("grad_norm", gradient_norm(method))
    for flag, method.norm_feature in (("off", False), ("on", True)):
        for name, loss in _losses(method, predictions, features, mask).items():
            yield from recording.check(f"norm_feature_{flag}.{name}", loss)
    yield from transfer(recording, clips, partial(_finetuned, recording))


def _losses(
    method: MVD, predictions: Mapping[str, Tensor], features: Mapping[str, Tensor], mask: TokenMask
) -> dict[str, Tensor]:
    """loss_img, loss_vid and loss, as the method has them for what it predicts and what teachers said."""
    parts = {
        role: feature_loss(got, method.wanted(features[role], mask), method.distill_loss)
        for role, got in predictions.items()
    }
    return {f"loss_{_SUFFIX[role]}": part for role, part in parts.items()} | {"loss": method.total(parts)}


def _method(recording: Recording) -> MVD:
    config, state = recording.config, mvd.read(recording.under("sd.student."))
    teachers = _teachers(recording)
    encoder = _student(recording, recording["video"], state)
    said = config["student"]
    decoders = {
        role: TokenDecoder(
            encoder.grid,
            in_width=encoder.width,
            width=said.get("feat_decoder_embed_dim") or encoder.width,
            depth=said["decoder_depth"],
            heads=said.get("feat_decoder_num_heads") or said["num_heads"],
            position="blocked_3d",
            project_bias=True,
            **networks.blocks(state, f"decoders.{role}."),
        )
        for role in teachers
    }
    masker = _MASKERS[config.get("mask_type", "tube")](ratio=config.get("mask_ratio", 0.9))  # type: ignore[call-arg]
    method = MVD(
        encoder=encoder,
        teachers=teachers,
        decoders=decoders,
        masker=masker,
        weights={role: config.get(f"{role}_loss_weight", 1.0) for role in teachers},
        norm_feature=config.get("norm_feature", False),
        distill_loss=_distill_loss(recording),
    )
    load_state(method, state)
    return method


def _student(recording: Recording, clips: Tensor, state: Mapping[str, Tensor], *, final_norm: bool = True) -> VideoViT:
    said = recording.config["student"]
    return networks.encoder(
        clips.shape,
        recording.config,
        **networks.sizes(said),
        **networks.blocks(state, "encoder." if final_norm else ""),
        class_token=said.get("use_cls_token", False),
        position="blocked_3d",
        final_norm=final_norm,
    )


def _finetuned(recording: Recording, clips: Tensor) -> VideoViT:
    """The encoder of a fine-tuning model started from the student."""
    state = mvd.encoder(recording.under("sd.student."))
    encoder = _student(recording, clips, state, final_norm=False)
    load_state(encoder, state)
    return encoder


def _teachers(recording: Recording) -> dict[str, Teacher]:
    """The teachers whose weights were recorded."""
    image = mae.encoder(recording.under("sd.image_teacher."))
    video = below(videomae.read(recording.under("sd.video_teacher.")), "encoder.")
    tubelet = recording.config.get("tubelet_size", 2)
    found = {}
    for role, state, step, position in (("image", image, 1, "blocked_2d"), ("video", video, tubelet, "sincos_1d")):
        if not state:
            continue
        said = recording.config[f"{role}_teacher"]
        seen = _shown(recording, role)
        encoder = networks.encoder(
            seen[:, :, :1].shape if role == "image" else seen.shape,
            {"patch_size": said["patch_size"], "tubelet_size": step},
            **networks.sizes(said),
            **networks.blocks(state),
            class_token="class_token" in state,
            key_bias="blocks.0.attn.k_bias" in state,
            position="learned" if "pos_embed" in state else position,
            final_norm="norm.weight" in state,
        )
        load_state(encoder, state)
        found[role] = Teacher(encoder, source=f"{recording.name}, {role} teacher")
    return found


def _shown(recording: Recording, role: str) -> Tensor:
    """Image teachers see `video_for_teacher`, video teachers too unless their size is the student's. The official
    loader cuts it out of the source, so nothing is resized here."""
    own, video = recording.config["img_size"], recording["video"]
    if "video_for_teacher" not in recording:
        return video
    other = recording["video_for_teacher"]
    same = networks.sides(recording.config[f"{role}_teacher"].get("img_size", own)) == networks.sides(own)
    return video if role == "video" and same else other


def _tables(recording: Recording, method: MVD) -> Iterator[GroupResult]:
    yield from recording.check("sd.student.pos_embed", method.encoder.pos_embed[None])
    for role, decoder in method.decoders.items():
        assert isinstance(decoder, TokenDecoder)
        yield from recording.check(f"sd.student.pos_embed_{_SUFFIX[role]}", decoder.pos_embed[None])
    for role, teacher in method.teachers.items():
        encoder = teacher.encoder
        assert isinstance(encoder, VideoViT)
        if role == "image":
            yield from recording.check("sd.image_teacher.pos_embed", mae.tables(encoder.grid, encoder.width))
        else:
            yield from recording.check("video_teacher_pos_embed", encoder.pos_embed[None])


def _encoder_out(recording: Recording, method: MVD, clips: Tensor, mask: TokenMask) -> Iterator[GroupResult]:
    seen = method.encoder(clips, mask)
    if seen.class_token is None:
        yield from recording.check("encoder_out", seen.tokens)
    else:
        yield from recording.check("encoder_out", torch.cat([seen.class_token[:, None], seen.tokens], dim=1))


def _distill_loss(recording: Recording) -> str:
    """`feature_loss` kind of the recording; sidecars describe it in words, such as "SmoothL1, beta 1.0, mean"."""
    above = {**recording.sidecar, **recording.config}
    said = next((above[key] for key in ("distill_loss_func", "loss_func", "loss_function") if key in above), "SmoothL1")
    letters = "".join(filter(str.isalnum, said.lower()))
    found = [kind for name, kind in _LOSSES.items() if letters.startswith(name)]
    if not found:
        raise OptionError(unknown("loss of MVD", said, _LOSSES))
    return found[0]
