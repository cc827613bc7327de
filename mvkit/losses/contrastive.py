"""Contrast of two views of the same things: what belongs together is more similar than anything else in the batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.errors import ShapeError


def contrastive_loss(similarity: Tensor, *, temperature: Tensor | float, groups: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE, rows and columns, in float32 -> ().

    similarity: (B, B), entry (m, n) the cosine of item m of one view and item n of the other; m and m belong together.
    groups: (B,) whole numbers; items with the same number belong together too, so that two clips with the same caption
    are not each other's negatives: what is wanted of a row is uniform over its group. None: all differ.
    Paper: CLIP, arXiv:2103.00020; groups as UMT's video-text contrast has them, arXiv:2303.16058. Raises ShapeError.
    """
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1]:
        raise ShapeError(f"similarity must be (B, B), got {tuple(similarity.shape)}")
    if groups is None:
        groups = torch.arange(len(similarity), device=similarity.device)
    if groups.shape != similarity.shape[:1]:
        raise ShapeError(f"groups must be ({len(similarity)},) for these similarities, got {tuple(groups.shape)}")
    together = (groups[:, None] == groups).float()
    wanted = together / together.sum(1, keepdim=True)
    logits = similarity.float() / temperature
    return (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2
