"""The official layout of CLIP's visual transformer, read and written.

Names are those of OpenAI's files without their `visual.` prefix. Theirs keeps class and patch positions in one table,
q, k and v in one bias, and the output map transposed; the patch kernel is 2-D there, and 3-D with one slice or more in
UMT's copy (arXiv:2303.16058). Paper: CLIP, arXiv:2103.00020.
"""

from collections.abc import Mapping
from typing import Any

from timm.data.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
from torch import Tensor

from mvkit.checkpoints import _image
from mvkit.checkpoints._names import to_kit, to_official

ARCHITECTURE: dict[str, Any] = {
    "tubelet": 1,
    "class_token": True,
    "pre_norm": True,
    "patch_bias": False,
    "key_bias": True,
    "activation": "quick_gelu",
    "norm_eps": 1e-5,
    "position": "learned",
}
"""What `VideoViT` is built with to hold these weights, besides its sizes and statistics."""

STATISTICS: dict[str, Any] = {"mean": list(OPENAI_CLIP_MEAN), "std": list(OPENAI_CLIP_STD)}
"""What the released models expect of pixels. UMT's code feeds them ImageNet's instead."""

_PAIRS = (
    ("conv1.weight", "patch_embed.proj.weight"),
    ("class_embedding", "class_token"),
    ("positional_embedding", "pos_embed"),
    ("ln_pre.", "pre_norm."),
    ("ln_post.", "norm."),
    ("proj", "head.weight"),
    ("transformer.resblocks.", "blocks."),
    (".ln_1.", ".norm1."),
    (".ln_2.", ".norm2."),
    (".attn.in_proj_weight", ".attn.qkv.weight"),
    (".attn.in_proj_bias", ".attn.qkv.bias"),
    (".attn.out_proj.", ".attn.proj."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
)


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official names -> names of a `VideoViT` built with `ARCHITECTURE`; unknown names stay as they are."""
    found = _image.to_kit(to_kit(state, _PAIRS))
    if "class_token" in found:
        found["class_token"] = found["class_token"][None, None]
    if "head.weight" in found:
        found["head.weight"] = found["head.weight"].T
    return found


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of a `VideoViT` built with `ARCHITECTURE` -> official names, the patch kernel 2-D if it has one slice."""
    found = to_official(_image.to_official(state), _PAIRS)
    if "class_embedding" in found:
        found["class_embedding"] = found["class_embedding"][0, 0]
        found["positional_embedding"] = found["positional_embedding"][0]
    if "proj" in found:
        found["proj"] = found["proj"].T
    return found
