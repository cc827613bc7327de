"""VideoMAE pre-training against recordings of the official modules: one step, its gradients, and weight transfer."""

from collections.abc import Iterator
from functools import partial

from torch import Tensor

from mvkit.checkpoints import videomae as layout
from mvkit.checkpoints.native import load_state
from mvkit.losses.pixels import normalise_pixels, pixel_loss
from mvkit.maskers.base import TokenMask
from mvkit.maskers.tube import TubeMasker
from mvkit.methods.videomae import VideoMAE
from mvkit.models.decoder import TokenDecoder
from mvkit.models.vit import VideoViT
from mvkit.parity import _networks as networks
from mvkit.parity._steps import clips_of, gradient_norm, gradients, transfer
from mvkit.parity.recording import GroupResult, Recording
from mvkit.tokens import patchify


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
    yield from recording.number("sidecar.loss", loss, recording.sidecar.get("loss"))
    loss.backward()
    yield from gradients(recording, method, layout.write)
    yield from recording.check("grad_norm", gradient_norm(method))
    yield from transfer(recording, clips, partial(_finetuned, recording, state))


def _method(recording: Recording, video: Tensor, state: dict[str, Tensor]) -> VideoMAE:
    config = recording.config
    encoder = _encoder(recording, video, state)
    options = networks.sizes(config, "decoder_") | networks.blocks(state, "decoder.")
    decoder = TokenDecoder(encoder.grid, in_width=encoder.width, **options)
    masker = TubeMasker(ratio=config.get("mask_ratio", 0.9))
    method = VideoMAE(encoder=encoder, decoder=decoder, masker=masker)
    load_state(method, state)
    return method


def _encoder(recording: Recording, video: Tensor, state: dict[str, Tensor], *, final_norm: bool = True) -> VideoViT:
    return networks.encoder(
        video.shape,
        recording.config,
        **networks.sizes(recording.config, "encoder_"),
        **networks.blocks(state, "encoder."),
        position="learned" if "encoder.pos_embed" in state else "sincos_1d",
        final_norm=final_norm,
    )


def _normalises(recording: Recording) -> bool:
    """Is the step's target normalised? The official option is spelt without an a."""
    said = {**recording.sidecar, **recording.config}
    return said.get("normlize_target", said.get("normalize_target", True))


def _finetuned(recording: Recording, state: dict[str, Tensor], clips: Tensor) -> VideoViT:
    """The encoder of a fine-tuning model started from these weights."""
    encoder = _encoder(recording, clips, state, final_norm=False)
    load_state(encoder, layout.encoder(recording.under("sd.")))
    return encoder
