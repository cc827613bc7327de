"""Optimiser groups by official names: the kit's own groups over a model with the parameters that a recording names.

A recording says names, not sizes, so the model is the smallest one that has them all; decay and depth do not depend on
width.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mvkit.models.classifier import VideoClassifier
from mvkit.models.vit import VideoViT
from mvkit.parity._entries import Entries
from mvkit.parity.recording import GroupResult, Recording
from mvkit.tokens import TokenGrid
from mvkit.train.optim import parameter_groups

WIDTH, HEADS = 32, 2  # every position table can be made at this width

Groups = Mapping[str, Mapping[str, Any]]
Layout = Callable[[dict[str, Tensor]], Mapping[str, Tensor]]


def stack_like(names: Collection[str], prefix: str) -> dict[str, Any]:
    """Options of the blocks that the names starting with `prefix` belong to."""
    own = [name.removeprefix(prefix) for name in names if name.startswith(f"{prefix}blocks.")]
    return {
        "width": WIDTH,
        "heads": HEADS,
        "depth": 1 + max((int(name.split(".")[1]) for name in own), default=-1),
        "qkv_bias": any(name.endswith("attn.q_bias") for name in own),
        "layer_scale": 0.1 if any("gamma_" in name for name in own) else 0.0,
    }


def encoder_like(names: Collection[str], prefix: str = "", **options: Any) -> VideoViT:
    """The encoder that has the parameters named `prefix...`; options: of `VideoViT`, where names do not tell."""
    options = {
        "position": "learned" if f"{prefix}pos_embed" in names else "sincos_1d",
        "class_token": f"{prefix}cls_token" in names,
        **stack_like(names, prefix),
        **options,
    }
    return VideoViT(TokenGrid(2, 2, 3), patch=2, **options)


def classifier_like(names: Collection[str], depth: int) -> VideoClassifier:
    """The fine-tuning model that has these parameters, of which not every block need be named."""
    return VideoClassifier(encoder_like(names, depth=depth, final_norm=False), classes=2)


def classifier_layout(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of `VideoClassifier` -> those of the official fine-tuning models."""
    return {_classifier_name(name): value for name, value in state.items()}


def _classifier_name(name: str) -> str:
    name = name.removeprefix("encoder.").replace("class_token", "cls_token")
    return re.sub(r"\.ls([12])\.gamma$", r".gamma_\1", name)


def groups(
    module: nn.Module, layout: Layout, *, weight_decay: float, layer_decay: float = 1.0
) -> dict[str, dict[str, Any]]:
    """Official name -> `group`, `weight_decay` and `lr_scale` that the kit's optimiser gives that parameter."""
    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    found = {}
    for group in parameter_groups(module, weight_decay, layer_decay=layer_decay):
        facts = {"group": group["name"], "weight_decay": group["weight_decay"], "lr_scale": group["lr_scale"]}
        found |= dict.fromkeys(group["params"], facts)
    # Numbers travel through the layout in place of weights, because layouts give views and not the parameters.
    numbers = layout({name: torch.full_like(p, i) for i, (name, p) in enumerate(trained.items())})
    ordered = list(trained.values())
    return {name: found[ordered[int(value.flatten()[0])]] for name, value in numbers.items()}


def check_groups(
    recording: Recording, group: str, said: Entries, make: Callable[[Entries], Groups]
) -> Iterator[GroupResult]:
    """Names, and what was recorded for each of them, against what `make` finds for a model with these names."""
    got, names = make(said), sorted(said)
    yield recording.same(f"{group}.names", sorted(got), names)
    for key in dict.fromkeys(key for name in names for key in said[name]):
        mine = {name: got.get(name, {}).get(key) for name in names}
        yield recording.same(f"{group}.{key}", mine, {n: said[n][key] for n in names if key in said[n]})


def check_finetuning(recording: Recording, group: str, said: Entries) -> Iterator[GroupResult]:
    """Groups of a classifier, with layer decay: depth, layer_decay, weight_decay, params."""
    rates = {"weight_decay": said["weight_decay"], "layer_decay": said["layer_decay"]}

    def make(params: Entries) -> Groups:
        return groups(classifier_like(list(params), said["depth"]), classifier_layout, **rates)

    yield from check_groups(recording, group, said["params"], make)


def decay_of(said: Entries) -> float:
    """The weight decay of a recording that gives it by parameter only."""
    return max(said[name]["weight_decay"] for name in said)
