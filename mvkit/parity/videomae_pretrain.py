"""VideoMAE pre-training against recordings of the official modules: one step, its gradients, and weight transfer."""

from collections.abc import Iterator

import torch
from torch import Tensor

from mvkit.checkpoints import videomae as layout
from mvkit.checkpoints.native import load_state
from mvkit.losses.pixels import normalise_pixels, pixel_loss
from mvkit.maskers.base import TokenMask
from mvkit.maskers.tube import TubeMasker
from mvkit.methods.videomae import VideoMAE
from mvkit.models.classifier import VideoClassifier
from mvkit.models.decoder import TokenDecoder
from mvkit.models.vit import VideoViT
from mvkit.parity._steps import block_options, clips_of, gradient_norm, gradients
from mvkit.parity.recording import GroupResult, Recording
from mvkit.tokens import TokenGrid, patchify


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every group the recording has, in the order of the computation."""
    state = layout.read(recording.under("sd."))
    video, hidden = recording["video"], recording["mask"]
    method = _method(recording, video, state)
    encoder = method.encoder
    clips = clips_of(video, encoder)
    mask = TokenMask(hidden.bool(), encoder.grid)

    if "mask_ratio" in recording.config:
        counts = method.masker.counts(encoder.grid)["encoder"]
        yield recording.compare("visible_count", counts, mask.visible_ids.shape[1])
    if "patch_embed_out" in recording:
        wanted = recording["patch_embed_out"]
        tokens = encoder.embed(clips[: len(wanted)]) - encoder.pos_embed
        yield recording.compare("patch_embed_out", tokens, wanted)
    yield from recording.check("encoder_pos_embed", encoder.pos_embed[None])
    yield from recording.check("decoder_pos_embed", method.decoder.pos_embed[None])

    encoded = encoder(clips, mask).tokens
    yield from recording.check("encoder_out", encoded)
    yield from recording.check("encoder_to_decoder_out", method.decoder.project(encoded))
    predictions = method.head(method.decoder(encoded, mask))
    yield from recording.check("pred", predictions)

    pixels = mask.hidden_part(patchify(clips, tubelet=encoder.tubelet, patch=encoder.patch))
    normalised = normalise_pixels(pixels)
    target = normalised if _normalises(recording) else pixels
    for name, wanted in (("", target), ("_unnormalized", pixels), ("_normalized", normalised)):
        yield from recording.check(f"target{name}", wanted)
        if name:
            yield from recording.check(f"loss{name}_target", pixel_loss(predictions, wanted))
    loss = pixel_loss(predictions, target)
    yield from recording.check("loss", loss)
    if "loss" in recording.sidecar:
        yield recording.compare("sidecar.loss", loss.detach().double(), float(recording.sidecar["loss"]))
    yield from _gradients(recording, method, loss)
    yield from _transfer(recording, clips, state)


def _method(recording: Recording, video: Tensor, state: dict[str, Tensor]) -> VideoMAE:
    config = recording.config
    encoder = _encoder(recording, video, state)
    decoder = TokenDecoder(
        encoder.grid,
        in_width=encoder.width,
        width=config["decoder_embed_dim"],
        depth=config["decoder_depth"],
        heads=config["decoder_num_heads"],
        **block_options(state, "decoder."),
    )
    masker = TubeMasker(ratio=config.get("mask_ratio", 0.9))
    method = VideoMAE(encoder=encoder, decoder=decoder, masker=masker)
    load_state(method, state)
    return method


def _encoder(recording: Recording, video: Tensor, state: dict[str, Tensor], *, final_norm: bool = True) -> VideoViT:
    config = recording.config
    patch, tubelet = config["patch_size"], config.get("tubelet_size", 2)
    return VideoViT(
        # The grid follows the clip itself, so non-square images and any clip length need no case of their own.
        TokenGrid.of_clip(*video.shape[-3:], tubelet=tubelet, patch=patch),
        tubelet=tubelet,
        patch=patch,
        width=config["encoder_embed_dim"],
        depth=config["encoder_depth"],
        heads=config["encoder_num_heads"],
        position="learned" if "encoder.pos_embed" in state else "sincos_1d",
        final_norm=final_norm,
        **block_options(state, "encoder."),
    )


def _normalises(recording: Recording) -> bool:
    """Is the step's target normalised? The official option is spelt without an a."""
    said = {**recording.sidecar, **recording.config}
    return said.get("normlize_target", said.get("normalize_target", True))


def _gradients(recording: Recording, method: VideoMAE, loss: Tensor) -> Iterator[GroupResult]:
    loss.backward()
    yield from gradients(recording, method, layout.write)
    yield from recording.check("grad_norm", gradient_norm(method))


def _transfer(recording: Recording, clips: Tensor, state: dict[str, Tensor]) -> Iterator[GroupResult]:
    """Features of a fine-tuning model started from these weights; the longer clip is the first one, then reversed."""
    for name, view in (
        ("transfer.features", clips),
        ("transfer.features_longer_clip", torch.cat([clips[:1], clips[:1].flip(2)], dim=2)),
    ):
        if name in recording:
            encoder = _encoder(recording, view, state, final_norm=False)
            load_state(encoder, layout.encoder(recording.under("sd.")))
            with torch.no_grad():
                yield recording.compare(name, VideoClassifier(encoder, classes=2).features(view), recording[name])
