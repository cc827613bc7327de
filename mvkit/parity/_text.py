"""What the checks of UMT's video-text models share: networks from their sidecars, clips, tied weights."""

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from mvkit.checkpoints import clip as clip_layout
from mvkit.checkpoints.native import load_state
from mvkit.errors import DataError
from mvkit.maskers.base import TokenMask
from mvkit.models.bert import FusionBert, shape_of
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.models.wordpiece import SpecialWords, WordPiece
from mvkit.parity._steps import State, block_options
from mvkit.parity.recording import Recording
from mvkit.tokens import TokenGrid


class Tokens(WordPiece):
    """Stands where a tokenizer does: recordings hold numbers, not words."""

    def __init__(self, size: int, special: SpecialWords) -> None:
        self.words, self.special = [""] * size, special


def encoder(recording: Recording, state: State, **options: Any) -> VideoViT:
    """The student's encoder that the sidecar describes; state: with our names."""
    vision = recording.config["vision"]
    patch, tubelet, side = vision["patch_size"], vision.get("tubelet_size", 1), vision["img_size"]
    height, width = (side, side) if isinstance(side, int) else side
    return VideoViT(
        TokenGrid.of_clip(vision["num_frames"], height, width, tubelet=tubelet, patch=patch),
        tubelet=tubelet,
        patch=patch,
        width=vision["encoder_embed_dim"],
        depth=vision["encoder_depth"],
        heads=vision["encoder_num_heads"],
        **block_options(state, "encoder."),
        **options,
    )


def teacher(recording: Recording, state: State) -> Teacher:
    """The CLIP teacher in the file; state: with our names."""
    said = recording.config["teacher"]
    side, patch = said["input_resolution"], said["patch_size"]
    height, width = (side, side) if isinstance(side, int) else side
    tubelet = state["patch_embed.proj.weight"].shape[2]
    made = VideoViT(
        TokenGrid.of_clip(tubelet, height, width, tubelet=tubelet, patch=patch),
        patch=patch,
        width=said["width"],
        depth=said["layers"],
        heads=said["heads"],
        out_width=said["output_dim"],
        **{**clip_layout.ARCHITECTURE, "tubelet": tubelet},
    )
    load_state(made, state)
    return Teacher(made, source=recording.name)


def text(recording: Recording, visual_width: int, *, layers: slice = slice(None), causal: bool = False) -> FusionBert:
    """The BERT that the sidecar describes. layers: of it; the fusion layer is counted from the first of these."""
    said = dict(recording.config["bert"])
    span = range(said["num_hidden_layers"])[layers]
    said["num_hidden_layers"] = len(span)
    shape = shape_of(said, max(0, recording.config["fusion_layer"] - span.start))
    return FusionBert(
        shape, vocabulary=said["vocab_size"], visual_width=visual_width, causal=causal, pad=said.get("pad_token_id", 0)
    )


def tied(recording: Recording, prefix: str = "model.text_encoder.") -> None:
    """Raises DataError unless the copies of tied weights in the recording are equal: only one of them is read."""
    head, words = f"{prefix}cls.predictions.", f"{prefix}bert.embeddings.word_embeddings.weight"
    for copy, own in ((f"{head}decoder.weight", words), (f"{head}decoder.bias", f"{head}bias")):
        if copy in recording and not torch.equal(recording[copy], recording[own]):
            raise DataError(f"{copy} differs from {own}: these weights are one in the official model")


def clips(recording: Recording, name: str, encoder: VideoViT) -> Tensor:
    """Recorded (B, T, 3, H, W), normalised -> (B, 3, T, H, W) as this kit takes them."""
    shape = (len(encoder.mean), 1, 1, 1)
    return recording[name].transpose(1, 2) * encoder.std.view(shape) + encoder.mean.view(shape)


def kept_first(order: Tensor, keep: int, grid: TokenGrid) -> TokenMask:
    """order: (B*t, h*w), places of each step in the order drawn; the first `keep` stay visible."""
    places = rearrange(order, "(b t) n -> b t n", t=grid.t)[..., :keep] + torch.arange(grid.t)[:, None] * grid.places
    return TokenMask.from_visible(places.flatten(1), grid)


def official_recalls(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Recalls in percent under the names of the released code, where `txt_*` is from clips to texts."""
    found: dict[str, float] = {}
    for theirs, ours in (("txt", "clips_to_texts"), ("img", "texts_to_clips")):
        recalls = {k: round(100 * scores[ours][f"recall@{k}"], 2) for k in (1, 5, 10)}
        found |= {f"{theirs}_r{k}": value for k, value in recalls.items()}
        found[f"{theirs}_r_mean"] = round(sum(100 * scores[ours][f"recall@{k}"] for k in (1, 5, 10)) / 3, 2)
    found["r_mean"] = round((found["txt_r_mean"] + found["img_r_mean"]) / 2, 2)
    return found
