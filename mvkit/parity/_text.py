"""What the checks of UMT's video-text models share: networks from their sidecars, clips, tied weights."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mvkit.errors import DataError
from mvkit.models.bert import FusionBert, shape_of
from mvkit.models.vit import VideoViT
from mvkit.models.wordpiece import SpecialWords, WordPiece
from mvkit.parity import _networks as networks
from mvkit.parity._steps import clips_of
from mvkit.parity.recording import Recording


class Tokens(WordPiece):
    """Stands where a tokenizer does: recordings hold numbers, not words."""

    def __init__(self, size: int, special: SpecialWords) -> None:
        self.words, self.special = [""] * size, special


def encoder(recording: Recording, state: networks.State, **options: Any) -> VideoViT:
    """The student's encoder that the sidecar describes; state: with our names."""
    vision = recording.config["vision"]
    shape = (vision["num_frames"], *networks.sides(vision["img_size"]))
    built = networks.sizes(vision, "encoder_") | networks.blocks(state, "encoder.")
    return networks.encoder(shape, vision, tubelet=1, **built, **options)


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
    return clips_of(recording[name].transpose(1, 2), encoder)


def official_recalls(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Recalls in percent under the names of the released code, where `txt_*` is from clips to texts."""
    found: dict[str, float] = {}
    for theirs, ours in (("txt", "clips_to_texts"), ("img", "texts_to_clips")):
        recalls = {k: round(100 * scores[ours][f"recall@{k}"], 2) for k in (1, 5, 10)}
        found |= {f"{theirs}_r{k}": value for k, value in recalls.items()}
        found[f"{theirs}_r_mean"] = round(sum(100 * scores[ours][f"recall@{k}"] for k in (1, 5, 10)) / 3, 2)
    found["r_mean"] = round((found["txt_r_mean"] + found["img_r_mean"]) / 2, 2)
    return found
