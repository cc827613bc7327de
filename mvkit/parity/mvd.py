"""MVD distillation against recordings of the official modules: teachers, one step, its gradients, weight transfer.

Student and teachers may each have their own size, patch, width and clips. A recording with one teacher is checked on
that one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mvkit.checkpoints import mae, mvd, videomae
from mvkit.checkpoints.native import load_state
from mvkit.errors import OptionError, unknown
from mvkit.losses.features import feature_loss, normalise_features
from mvkit.maskers.base import Masker, TokenMask
from mvkit.maskers.random import RandomMasker
from mvkit.maskers.tube import TubeMasker
from mvkit.methods.mvd import MVD
from mvkit.models.classifier import VideoClassifier
from mvkit.models.decoder import TokenDecoder
from mvkit.models.teachers import Teacher
from mvkit.models.vit import IMAGENET_MEAN, IMAGENET_STD, VideoViT
from mvkit.parity._steps import block_options, gradient_norm, gradients
from mvkit.parity.recording import GroupResult, Recording
from mvkit.tokens import TokenGrid

_SUFFIX = {"image": "img", "video": "vid"}
_LOSSES = {"smoothl1": "smooth_l1", "l1": "l1", "l2": "l2", "mse": "l2"}
_MASKERS: dict[str, type[Masker]] = {"tube": TubeMasker, "random": RandomMasker}


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every group the recording has, in the order of the computation."""
    clips = _clips(recording["video"])
    method = _method(recording, clips)
    mask = TokenMask(recording["mask"].bool(), method.encoder.grid)
    if "mask_ratio" in recording.config:
        visible = method.masker.counts(method.encoder.grid)["encoder"]
        yield recording.compare("visible_count", visible, mask.visible_ids.shape[1])
    yield from _tables(recording, method)

    features = {role: method.ask(role, _shown(recording, role, clips)) for role in method.teachers}
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
        if name in recording.sidecar:
            yield recording.compare(f"sidecar.{name}", loss.detach().double(), float(recording.sidecar[name]))
    losses["loss"].backward()
    yield from gradients(recording, method, mvd.write)
    yield from recording.check("grad_norm", gradient_norm(method))
    for flag, method.norm_feature in (("off", False), ("on", True)):
        for name, loss in _losses(method, predictions, features, mask).items():
            yield from recording.check(f"norm_feature_{flag}.{name}", loss)
    yield from _transfer(recording, clips)


def _losses(
    method: MVD, predictions: Mapping[str, Tensor], features: Mapping[str, Tensor], mask: TokenMask
) -> dict[str, Tensor]:
    """loss_img, loss_vid and loss, as the method has them for what it predicts and what teachers said."""
    parts = {
        role: feature_loss(got, method.wanted(features[role], mask), method.distill_loss)
        for role, got in predictions.items()
    }
    return {f"loss_{_SUFFIX[role]}": part for role, part in parts.items()} | {"loss": method.total(parts)}


def _method(recording: Recording, clips: Tensor) -> MVD:
    config, state = recording.config, mvd.read(recording.under("sd.student."))
    teachers = _teachers(recording, clips)
    encoder = _student(recording, clips, state)
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
            **block_options(state, f"decoders.{role}."),
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
    said, prefix = recording.config["student"], "encoder." if final_norm else ""
    return VideoViT(
        **_grid(clips, recording.config["patch_size"], recording.config.get("tubelet_size", 2)),
        width=said["embed_dim"],
        depth=said["depth"],
        heads=said["num_heads"],
        class_token=said.get("use_cls_token", False),
        position="blocked_3d",
        final_norm=final_norm,
        **block_options(state, prefix),
    )


def _teachers(recording: Recording, clips: Tensor) -> dict[str, Teacher]:
    """The teachers whose weights were recorded."""
    image = mae.encoder(recording.under("sd.image_teacher."))
    video = videomae.read(recording.under("sd.video_teacher."))
    video = {name.removeprefix("encoder."): value for name, value in video.items() if name.startswith("encoder.")}
    tubelet = recording.config.get("tubelet_size", 2)
    found = {}
    for role, state, step, position in (("image", image, 1, "blocked_2d"), ("video", video, tubelet, "sincos_1d")):
        if not state:
            continue
        said = recording.config[f"{role}_teacher"]
        seen = _shown(recording, role, clips)
        encoder = VideoViT(
            **_grid(seen[:, :, :1] if role == "image" else seen, said["patch_size"], step),
            width=said["embed_dim"],
            depth=said["depth"],
            heads=said["num_heads"],
            class_token="class_token" in state,
            key_bias="blocks.0.attn.k_bias" in state,
            position="learned" if "pos_embed" in state else position,
            final_norm="norm.weight" in state,
            **block_options(state),
        )
        load_state(encoder, state)
        found[role] = Teacher(encoder, source=f"{recording.name}, {role} teacher")
    return found


def _shown(recording: Recording, role: str, clips: Tensor) -> Tensor:
    """Image teachers see `video_for_teacher`, video teachers too unless their size is the student's. The official
    loader cuts it out of the source, so nothing is resized here."""
    own = recording.config["img_size"]
    if "video_for_teacher" not in recording:
        return clips
    other = _clips(recording["video_for_teacher"])
    same = _sides(recording.config[f"{role}_teacher"].get("img_size", own)) == _sides(own)
    return clips if role == "video" and same else other


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


def _transfer(recording: Recording, clips: Tensor) -> Iterator[GroupResult]:
    """Features of a fine-tuning model started from the student; the longer clip is the first one, then reversed."""
    state = mvd.encoder(recording.under("sd.student."))
    longer = torch.cat([clips[:1], clips[:1].flip(2)], dim=2)
    for name, view in (("transfer.features", clips), ("transfer.features_longer_clip", longer)):
        if name in recording:
            encoder = _student(recording, view, state, final_norm=False)
            load_state(encoder, state)
            with torch.no_grad():
                yield recording.compare(name, VideoClassifier(encoder, classes=2).features(view), recording[name])


def _grid(clips: Tensor, patch: int, tubelet: int) -> dict[str, Any]:
    """The grid follows the clips themselves, so non-square images and any clip length need no case of their own."""
    grid = TokenGrid.of_clip(*clips.shape[-3:], tubelet=tubelet, patch=patch)
    return {"grid": grid, "tubelet": tubelet, "patch": patch}


def _distill_loss(recording: Recording) -> str:
    """`feature_loss` kind of the recording; sidecars describe it in words, such as "SmoothL1, beta 1.0, mean"."""
    above = {**recording.sidecar, **recording.config}
    said = next((above[key] for key in ("distill_loss_func", "loss_func", "loss_function") if key in above), "SmoothL1")
    letters = "".join(filter(str.isalnum, said.lower()))
    found = [kind for name, kind in _LOSSES.items() if letters.startswith(name)]
    if not found:
        raise OptionError(unknown("loss of MVD", said, _LOSSES))
    return found[0]


def _clips(video: Tensor) -> Tensor:
    """Recorded clips are normalised already; ours are [0, 1] at the border."""
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return video * std + mean


def _sides(size: int | list[int]) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)
