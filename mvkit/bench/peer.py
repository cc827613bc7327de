"""VideoMAE against the VideoMAE of transformers: same weights, same clips, same masks, one training step each.

Both steps are zero_grad, forward, backward and the same fused AdamW; theirs gets its clips already normalised, ours
normalises them inside. Their attention is SDPA, as transformers chooses by itself. Two epsilons are set to ours, so
that outputs can be compared: 1e-12 of their blocks and 1e-5 of their decoder's last norm become 1e-6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from mvkit import methods
from mvkit.bench.clock import Spread, alternate, ratio
from mvkit.bench.machine import describe, matmul_limit
from mvkit.bench.memory import activations
from mvkit.bench.record import flat, today
from mvkit.errors import OptionError
from mvkit.maskers.base import TokenMask
from mvkit.methods.videomae import VideoMAE
from mvkit.models.block import NORM_EPS
from mvkit.models.sizes import size as named_size
from mvkit.train.optim import adamw, parameter_groups
from mvkit.train.precision import autocast


class Pair:
    """Ours and theirs with the same weights, clips and masks. size: a name of `models.SIZES`. batch: clips.

    Raises OptionError where transformers is not installed.
    """

    def __init__(self, *, size: str, batch: int, frames: int, image: int, device: str = "cpu", seed: int = 0) -> None:
        torch.manual_seed(seed)
        ours = methods.create("videomae", size=size, frames=frames, image=image)
        assert isinstance(ours, VideoMAE)
        self.ours, self.device = ours.to(device), torch.device(device)
        self.theirs = _theirs(ours, size).to(device)
        self.generator = torch.Generator().manual_seed(seed)
        self.clips = torch.rand(batch, 3, frames, image, image, generator=self.generator).to(device)
        shape = (1, 3, 1, 1, 1)
        normal = (self.clips - ours.encoder.mean.view(shape)) / ours.encoder.std.view(shape)
        self.normal = normal.transpose(1, 2).contiguous()

    def mask(self) -> TokenMask:
        return self.ours.masker(self.ours.encoder.grid, len(self.clips), generator=self._draws()).primary

    def _draws(self) -> torch.Generator:
        return torch.Generator().manual_seed(1)

    def our_loss(self) -> Tensor:
        return self.ours(self.clips, generator=self._draws()).loss

    def their_loss(self) -> Tensor:
        # They take a mask; drawing it is part of a step on both sides.
        return self.theirs(self.normal, bool_masked_pos=self.mask().hidden.to(self.device)).loss

    def differences(self) -> dict[str, float]:
        """Largest differences in fp32: of the predicted values of hidden tokens, of the loss, and of the gradients,
        these last relative to the largest one of their tensor."""
        out = self.ours(self.clips, generator=self._draws(), artifacts=True)
        theirs = self.theirs(self.normal, bool_masked_pos=self.mask().hidden.to(self.device))
        self.ours.zero_grad()
        self.theirs.zero_grad()
        out.loss.backward()
        theirs.loss.backward()
        wanted = {name: p.grad for name, p in self.theirs.named_parameters() if p.grad is not None}
        got = translate({name: p.grad for name, p in self.ours.named_parameters() if p.grad is not None})
        gradients = [float((got[name] - grad).abs().max() / grad.abs().max()) for name, grad in wanted.items()]
        return {
            "predictions": float((out.artifacts["predictions"] - theirs.logits.detach()).abs().max()),
            "loss": float((out.loss - theirs.loss).detach().abs()),
            "gradients_relative": max(gradients),
        }


def bench_peer(
    *,
    size: str = "small",
    batch: int = 2,
    frames: int = 16,
    image: int = 224,
    rounds: int = 9,
    clock: str = "wall",
    device: str = "cpu",
    progress: Callable[[str], object] = print,
) -> dict[str, Any]:
    """The record of `mvkit bench peer`: milliseconds, ratios (above 1: ours is faster), MB kept for the backward.

    ratio_fp32: both in fp32. ratio_bf16: ours in bf16 against theirs in fp32. ratio_bf16_own: both in bf16.
    """
    pair = Pair(size=size, batch=batch, frames=frames, image=image, device=device)
    differences = pair.differences()
    progress("largest differences in fp32: " + ", ".join(f"{name} {value:.1e}" for name, value in differences.items()))
    ways = {
        f"{who} {precision}": (model, loss, precision)
        for precision in ("fp32", "bf16")
        for who, model, loss in (("ours", pair.ours, pair.our_loss), ("theirs", pair.theirs, pair.their_loss))
    }
    held = {}
    for name, (model, loss, precision) in ways.items():
        with autocast(precision, pair.device):
            held[name] = activations(loss, model)
    steps = {name: _step(*way, device=pair.device) for name, way in ways.items()}
    took = alternate(steps, rounds=rounds, clock=clock, device=device)
    ratios = {
        "ratio_fp32": ratio(took["theirs fp32"], took["ours fp32"]),
        "ratio_bf16": ratio(took["theirs fp32"], took["ours bf16"]),
        "ratio_bf16_own": ratio(took["theirs bf16"], took["ours bf16"]),
    }
    for name, spread in ratios.items():
        progress(f"{name}: {spread}")
    record: dict[str, Any] = {
        "bench": "peer",
        "date": today(),
        "peer": f"transformers {version('transformers')} VideoMAEForPreTraining",
        "size": size, "batch": batch, "frames": frames, "image": image, "rounds": rounds, "clock": clock,
        "machine": describe(device) | {
            f"matmul_gflops_{name}": matmul_limit(dtype, clock=clock, device=device).median
            for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
        },
        "differences": differences,
    }  # fmt: skip
    for name, spread in ratios.items():
        record |= flat(name, spread)
    record["results"] = [
        {"step": name, **flat("ms", Spread.of([1e3 * one for one in times]), 2),
         "clips_per_s": round(batch / Spread.of(times).median, 3), "activations_mb": round(held[name], 1)}
        for name, times in took.items()
    ]  # fmt: skip
    return record


def translate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our VideoMAE's tensors, weights or gradients, under the names of transformers."""
    found = {}
    for name, tensor in tensors.items():
        for ours, theirs in _NAMES:
            name = re.sub(ours, theirs, name)
        if name.endswith("qkv.weight"):
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            found |= {name.replace("qkv", f"attention.{part}"): value for part, value in parts}
        else:
            found[name] = tensor
    return found


_NAMES = (
    (r"^encoder\.patch_embed\.proj", "videomae.embeddings.patch_embeddings.projection"),
    (r"^encoder\.norm", "videomae.layernorm"),
    (r"^encoder\.blocks", "videomae.encoder.layer"),
    (r"^decoder\.project", "encoder_to_decoder"),
    (r"^decoder\.mask_token", "mask_token"),
    (r"^decoder\.blocks", "decoder.decoder_layers"),
    (r"^head", "decoder.head"),
    (r"\.norm1", ".layernorm_before"),
    (r"\.norm2", ".layernorm_after"),
    (r"\.attn\.q_bias", ".attention.attention.query.bias"),
    (r"\.attn\.v_bias", ".attention.attention.value.bias"),
    (r"\.attn\.proj", ".attention.output.dense"),
    (r"\.attn\.qkv", ".attention.qkv"),
    (r"\.mlp\.fc1", ".intermediate.dense"),
    (r"\.mlp\.fc2", ".output.dense"),
)


def _theirs(ours: VideoMAE, size: str) -> nn.Module:
    try:
        from transformers import VideoMAEConfig, VideoMAEForPreTraining
    except ImportError:
        raise OptionError("transformers is not installed: pip install 'mvkit[dev]'") from None
    shape, encoder = named_size(size), ours.encoder
    config = VideoMAEConfig(
        image_size=encoder.grid.h * encoder.patch,
        patch_size=encoder.patch,
        num_frames=encoder.grid.t * encoder.tubelet,
        tubelet_size=encoder.tubelet,
        hidden_size=shape.width,
        num_hidden_layers=shape.depth,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        decoder_num_attention_heads=shape.decoder_heads,
        decoder_hidden_size=shape.decoder_width,
        decoder_num_hidden_layers=shape.decoder_depth,
        decoder_intermediate_size=4 * shape.decoder_width,
        layer_norm_eps=NORM_EPS,
        use_mean_pooling=False,
        norm_pix_loss=True,
    )
    theirs = VideoMAEForPreTraining(config)
    theirs.decoder.norm.eps = NORM_EPS
    theirs.load_state_dict(translate(dict(ours.named_parameters())), strict=True)
    return theirs.train()


def _step(model: nn.Module, loss: Callable[[], Tensor], precision: str, *, device: torch.device) -> Callable[[], None]:
    optimiser = adamw(parameter_groups(model, 0.05))

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with autocast(precision, device):
            value = loss()
        value.backward()
        optimiser.step()

    return step
