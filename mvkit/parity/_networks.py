"""Networks of a recording: sizes from its sidecar, what sidecars do not say from its weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from mvkit.checkpoints import clip as clip_layout
from mvkit.checkpoints.native import load_state
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid

State = Mapping[str, Tensor]
Said = Mapping[str, Any]


def encoder(shape: Sequence[int], said: Said, *, tubelet: int = 2, **options: Any) -> VideoViT:
    """An encoder for clips of that shape (..., T, H, W); said: patch_size, and tubelet_size if it is not `tubelet`.

    The grid follows the clips themselves, so non-square images and any clip length need no case of their own.
    """
    patch, tubelet = said["patch_size"], said.get("tubelet_size", tubelet)
    return VideoViT(
        TokenGrid.of_clip(*shape[-3:], tubelet=tubelet, patch=patch), tubelet=tubelet, patch=patch, **options
    )


def sizes(said: Said, prefix: str = "") -> dict[str, Any]:
    """Width, depth and heads of a stack, by their official names after a prefix."""
    return {
        ours: said[f"{prefix}{theirs}"]
        for ours, theirs in (("width", "embed_dim"), ("depth", "depth"), ("heads", "num_heads"))
    }


def blocks(state: State, prefix: str = "") -> dict[str, Any]:
    """Options of the blocks below `prefix` in a state with our names: sidecars do not say all of them of all stacks."""
    hidden, width = state[f"{prefix}blocks.0.mlp.fc1.weight"].shape
    return {
        "mlp_ratio": (hidden + 0.5) / width,  # a block rounds down
        "qkv_bias": f"{prefix}blocks.0.attn.q_bias" in state,
        "layer_scale": 1.0 if f"{prefix}blocks.0.ls1.gamma" in state else 0.0,
    }


def clip_teacher(said: Said, state: State, size: int | Sequence[int], source: str) -> Teacher:
    """UMT's teacher for frames of that size. state: with our names."""
    tubelet, patch = state["patch_embed.proj.weight"].shape[2], said["patch_size"]
    made = VideoViT(
        TokenGrid.of_clip(tubelet, *sides(size), tubelet=tubelet, patch=patch),
        patch=patch,
        width=said["width"],
        depth=said["layers"],
        heads=said["heads"],
        out_width=said["output_dim"],
        **{**clip_layout.ARCHITECTURE, "tubelet": tubelet},
    )
    load_state(made, state)
    return Teacher(made, source=source)


def sides(size: int | Sequence[int]) -> list[int]:
    """Height and width, of which square ones are written as one number."""
    return [size, size] if isinstance(size, int) else list(size)
