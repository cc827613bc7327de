"""Model FLOPs of a training step, from formulas: what its matrix products cost, two for a multiply and an add.

A block over N tokens of width D costs 24 N D^2 + 4 N^2 D forward. Backward is twice forward, but once for the patch
embedding, whose input needs no gradient; a teacher has no backward pass. Norms, softmax, losses and the optimiser are
left out, as everywhere where such numbers are quoted. Counted is what the kit has to compute, so visible tokens only
where only those are embedded: a leaner step than the official one, and never a higher number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from torch import nn

from mvkit.errors import OptionError, unknown
from mvkit.methods._aligned import Aligned
from mvkit.methods.amd import AMD
from mvkit.methods.base import Method
from mvkit.methods.mae import MAE
from mvkit.methods.maskagain import MaskAgain
from mvkit.methods.mvd import MVD
from mvkit.methods.videomae import VideoMAE
from mvkit.models.decoder import TokenDecoder
from mvkit.models.frames import sees_frames
from mvkit.models.vit import VideoViT


@dataclass(frozen=True)
class Flops:
    """forward, backward: FLOPs of one clip; total: both."""

    forward: float
    backward: float = 0.0

    @property
    def total(self) -> float:
        return self.forward + self.backward

    def __add__(self, other: Flops) -> Flops:
        return Flops(self.forward + other.forward, self.backward + other.backward)

    def __mul__(self, times: float) -> Flops:
        return Flops(times * self.forward, times * self.backward)


def of(method: Method) -> Flops:
    """FLOPs of a training step, per clip. Raises OptionError for a method without a formula."""
    name = type(method).__module__.rpartition(".")[2]
    if name not in FORMULAS:
        raise OptionError(unknown("method with a formula for its FLOPs", name, FORMULAS))
    return FORMULAS[name](method)


def linear(tokens: float, wide_in: int, wide_out: int, *, input_gradient: bool = True) -> Flops:
    """A trained linear map of `tokens` rows."""
    forward = 2.0 * tokens * wide_in * wide_out
    return Flops(forward, forward * (2 if input_gradient else 1))


def block(tokens: int, width: int, *, mlp_ratio: float = 4.0, rows: int | None = None) -> Flops:
    """A trained block; rows: how many tokens come out where that is not all."""
    rows = tokens if rows is None else rows
    maps = 2.0 * width**2 * (2 * tokens + rows * (2 + 2 * mlp_ratio))
    forward = maps + 4.0 * rows * tokens * width
    return Flops(forward, 2 * forward)


def encoder(network: VideoViT, visible: int) -> Flops:
    """A trained encoder over `visible` tokens of a clip, and its class token where it has one."""
    values = network.tubelet * network.patch**2 * len(network.mean)
    tokens = visible + (network.class_token is not None)
    embedding = linear(visible, values, network.width, input_gradient=False)
    return embedding + block(tokens, network.width, mlp_ratio=network.config["mlp_ratio"]) * network.depth


def decoder(network: TokenDecoder, visible: int, wanted: int, *, class_token: bool = False) -> Flops:
    """A trained decoder that makes `wanted` tokens; its last block computes those alone."""
    seen = visible + class_token
    mlp_ratio = cast(nn.Linear, network.blocks[0].mlp.fc1).out_features / network.width  # type: ignore[union-attr]
    found = Flops(0.0)
    if isinstance(network.project, nn.Linear):
        found = linear(seen, network.project.in_features, network.width)
    last = block(seen + wanted, network.width, mlp_ratio=mlp_ratio, rows=wanted)
    return found + block(seen + wanted, network.width, mlp_ratio=mlp_ratio) * (len(network.blocks) - 1) + last


def teacher(network: object, visible: int, *, steps: int = 1) -> Flops:
    """A frozen encoder: over `visible` tokens of a clip, or over as many of each of `steps` images."""
    return Flops(encoder(cast(VideoViT, network), visible).forward) * steps


def _pixels(method: VideoMAE | MAE) -> Flops:
    """MAE's clip is one image; with frames_used="all" it is as many as are shown, and this the cost of each."""
    grid, net = method.encoder.grid, method.encoder
    visible = method.masker.counts(grid)["encoder"]
    return _autoencoder(net, method.decoder, method.head, visible, grid.tokens - visible)


def _autoencoder(net: VideoViT, pixels: TokenDecoder, head: nn.Linear, visible: int, hidden: int) -> Flops:
    made = decoder(pixels, visible, hidden, class_token=net.class_token is not None)
    return encoder(net, visible) + made + linear(hidden, head.in_features, head.out_features)


def _mvd(method: MVD) -> Flops:
    grid, net = method.encoder.grid, method.encoder
    visible = method.masker.counts(grid)["encoder"]
    found = encoder(net, visible)
    for role, network in method.decoders.items():
        head = cast(nn.Linear, method.heads[role])
        found += decoder(cast(TokenDecoder, network), visible, grid.tokens - visible,
                         class_token=net.class_token is not None)  # fmt: skip
        found += linear(grid.tokens - visible, head.in_features, head.out_features)
    for asked in (one.encoder for one in method.teachers.values()):
        found += teacher(asked, grid.places, steps=grid.t) if sees_frames(asked) else teacher(asked, grid.tokens)
    return found


def _amd(method: AMD) -> Flops:
    grid, net, asked = method.encoder.grid, method.encoder, method.teachers["video"].encoder
    counts = method.masker.counts(grid)
    visible, width = counts["student"], asked.width
    found = _autoencoder(net, method.decoder, method.head, visible, grid.tokens - visible)
    found += teacher(asked, counts["teacher"])
    found += linear(visible, net.width, width) * (len(method.direct) + len(method.generation))
    for network in method.generators:
        found += decoder(cast(TokenDecoder, network), visible, counts["extra"])
    return found


def _maskagain(method: MaskAgain) -> Flops:
    grid, net, asked = method.encoder.grid, method.encoder, method.teachers["video"].encoder
    visible = method.masker.counts(grid)["encoder"]
    found = encoder(net, visible) + teacher(asked, visible)
    for level in {"global", "local"} & set(method.weights):
        # The values summed again, by both networks; the teacher's carry no gradient.
        summed = 2.0 * visible**2 * net.width
        found += Flops(summed + 2.0 * visible**2 * asked.width, 2 * summed)
        rows = visible * (grid.t if level == "local" else 1)
        for side in ("student", "teacher"):
            if method.projections is not None and f"{level}_{side}" in method.projections:
                made = cast(nn.Linear, method.projections[f"{level}_{side}"])
                found += linear(rows, made.in_features, made.out_features, input_gradient=side == "student")
    if method.projections is not None and "output" in method.projections:
        hint = method.projections["output"]
        for made in (cast(nn.Linear, hint.fc1), cast(nn.Linear, hint.fc2)):
            found += linear(visible, made.in_features, made.out_features)
    return found


def _umt(method: Aligned) -> Flops:
    grid, net, asked = method.encoder.grid, method.encoder, method.teachers["clip"].encoder
    visible, layers = method.masker.counts(grid)["encoder"], len(method.student_layers)  # type: ignore[union-attr]
    found = encoder(net, visible) + teacher(asked, grid.places, steps=grid.t)
    if asked.out_width != asked.width:
        found += Flops(linear(layers * grid.tokens, asked.width, asked.out_width).forward)
    return found + linear(layers * visible, net.width, asked.out_width)


FORMULAS: dict[str, Callable[..., Flops]] = {
    "videomae": _pixels, "mae": _pixels, "mvd": _mvd, "amd": _amd, "maskagain": _maskagain, "umt": _umt,
}  # fmt: skip
