"""Weights written back as the official codes name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mvkit.checkpoints.families import FAMILIES, Family
from mvkit.checkpoints.files import Weights, open_weights, write_weights
from mvkit.checkpoints.official import OfficialFile
from mvkit.errors import CheckpointError, unknown
from mvkit.models.classifier import VideoClassifier
from mvkit.models.vit import VideoViT

_KERNEL = "patch_embed.proj.weight"
# Kind -> what its files may have besides its own (field of VideoViT, value); None is any value.
_ALSO: dict[str, tuple[tuple[str, Any], ...]] = {
    "videomae": (("position", "learned"),),
    "amd": (),
    "maskagain": (),
    "mvd": (("class_token", True),),
    "umt": (("position", "learned"),),
    "mae": (("position", "learned"),),
    "clip": (("out_width", None),),
}


def export(
    model: nn.Module, path: Path | str, *, kind: str, like: Path | str | Mapping[str, Any] | None = None
) -> Path:
    """Write an official file that holds a model's weights; `load` reads it back to the same tensors. Returns the path.

    model: a method (pre-training layout with its decoders; of CLIP the visual part), a VideoViT (the encoder's part of
    it), or a VideoClassifier (fine-tuning layout). path: .pth, .pt or .bin, with weights under `model` where the
    official loaders look there, or .safetensors. kind: of `kinds()`. like: an official file of the same model; what
    the layout has and ours do not (norms that nothing uses) is taken over from it, in its shapes and order.

    Raises CheckpointError for a model that the official code would not compute alike: another position table, a
    class token where there is no place for one, parts of another method.
    """
    if kind not in FAMILIES:
        raise CheckpointError(unknown("kind of weights", kind, FAMILIES))
    family = FAMILIES[kind]
    encoder = model if isinstance(model, VideoViT) else getattr(model, "encoder", None)
    if not isinstance(encoder, VideoViT):
        raise CheckpointError(f"{type(model).__name__} has no encoder to write: wanted a method, encoder or classifier")
    _same_encoder(encoder, family, kind)
    state = _official(model, encoder, family, kind)
    if like is not None:
        pattern = open_weights(like).state
        if _KERNEL in pattern and _KERNEL not in state and family.tuned:  # an encoder alone, without its prefix
            state = family.tuned[1]({f"encoder.{name}": value for name, value in encoder.state_dict().items()})
        state = _like(state, pattern, family, str(path))
    foreign = OfficialFile(Weights(state, encoder.config), kind, f"a {type(model).__name__}", heads=None).unexpected
    if foreign:
        raise CheckpointError(
            f"a {type(model).__name__} has what '{kind}' files have no place for: {', '.join(foreign[:3])}"
        )
    lost = [] if kind == "clip" else _lost(model, state, family)
    if lost:
        raise CheckpointError(
            f"'{kind}' files have no place for {', '.join(lost[:3])}, which were trained: keep this "
            f"{type(model).__name__} in the kit's own folder (checkpoints.save)"
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_weights(path, state, wrap=family.wrap, config=encoder.config)
    return path


def _official(model: nn.Module, encoder: VideoViT, family: Family, kind: str) -> dict[str, Tensor]:
    grid = {"grid": encoder.grid} if kind == "mae" or (kind == "mvd" and not isinstance(model, VideoClassifier)) else {}
    if isinstance(model, VideoClassifier):
        if family.tuned is None:
            raise CheckpointError(f"'{kind}' has no fine-tuning layout: write the classifier's encoder")
        return family.tuned[1](model.state_dict(), **grid)
    state = model.state_dict()
    if model is encoder:
        state = {f"encoder.{name}": value for name, value in state.items()}
    return family.write(state, **grid)


def _same_encoder(encoder: VideoViT, family: Family, kind: str) -> None:
    """Raises CheckpointError unless the official model computes what this encoder does."""
    said = {"class_token": False, "pre_norm": False, "activation": "gelu", "norm_eps": 1e-6, "out_width": None}
    said |= {name: value for name, value in family.architecture.items() if name in said or name == "position"}
    for name, wanted in said.items():
        got = encoder.config[name]
        if got != wanted and (name, got) not in _ALSO[kind] and (name, None) not in _ALSO[kind]:
            raise CheckpointError(
                f"this encoder has {name}={got!r} and '{kind}' files are read with {wanted!r}: write it as another "
                f"kind ({', '.join(FAMILIES)}), or keep it in the kit's own folder (checkpoints.save)"
            )


def _lost(model: nn.Module, state: Mapping[str, Tensor], family: Family) -> list[str]:
    """Trained parameters of a method that reading the state would not give back."""
    if isinstance(model, (VideoViT, VideoClassifier)):
        return []
    back = family.read(state)
    known = {"encoder.pos_embed", "encoder.class_position"}  # written where the layout has a table
    return [name for name, p in model.named_parameters() if p.requires_grad and name not in back and name not in known]


def _like(state: Mapping[str, Tensor], model: Mapping[str, Tensor], family: Family, path: str) -> dict[str, Tensor]:
    """`state` in the shapes and order of `model`, whose unused tensors are kept."""
    found: dict[str, Tensor] = {}
    for name, value in model.items():
        ours = None if family.dead(name) else state.get(name)
        if ours is not None and ours.squeeze().shape != value.squeeze().shape:
            raise CheckpointError(f"{path}: {name} is {tuple(ours.shape)} here and {tuple(value.shape)} in `like`")
        # The same formula elsewhere may round otherwise in the last bit.
        rounded = ours is not None and name.endswith("pos_embed") and torch.allclose(ours, value.to(ours), atol=1e-4)
        found[name] = value if ours is None or rounded else ours.reshape(value.shape)
    return found | {name: value for name, value in state.items() if name not in found}
