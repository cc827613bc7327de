"""The official layout of UMT stage 2, read and written; its frozen teacher lies in the same file.

Retrieval models have the text encoder without `bert.` in its names; it is read too. Paper: UMT, arXiv:2303.16058.
"""

from collections.abc import Mapping

from torch import Tensor

from mvkit.checkpoints import bert, clip
from mvkit.checkpoints._names import below, to_kit, to_official

_PAIRS = (("itm_head.", "match_head."), ("temp", "temperature"))
_VISION = ("encoder.", "clip_decoder.", "pool_norm.")
_TEXT = "text_encoder."
_TEACHER = "clip_teacher."


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official names -> names of `methods.umt_vl.UmtVl`, without the teacher."""
    ours = {n: v for n, v in state.items() if not n.startswith((_TEXT, _TEACHER))}
    found = {name.removeprefix("vision_encoder."): value for name, value in ours.items()}
    return to_kit(found, _PAIRS) | bert.read(below(state, _TEXT))


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of `UmtVl` -> official ones; the inverse of `read`."""
    text = {n: v for n, v in state.items() if n.startswith(("text.", "words."))}
    rest = to_official({n: v for n, v in state.items() if n not in text}, _PAIRS)
    found = {f"vision_encoder.{n}" if n.startswith(_VISION) else n: v for n, v in rest.items()}
    return found | {f"{_TEXT}{n}": v for n, v in bert.write(text).items()}


def teacher(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The frozen teacher of a file, with names of a `VideoViT` built with `clip.ARCHITECTURE`."""
    return clip.read(below(state, _TEACHER))
