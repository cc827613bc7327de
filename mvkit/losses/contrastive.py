"""Contrast of two views of the same things: what belongs together is more similar than anything else in the batch."""

from collections.abc import Sequence
from hashlib import sha256

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx

from mvkit.data.captions import normalise
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


def caption_groups(captions: Sequence[str]) -> Tensor:
    """n captions -> (n,) long; the same words give the same number, in every process."""
    words = (normalise(caption).encode() for caption in captions)
    return torch.tensor([int.from_bytes(sha256(word).digest()[:7], "big") for word in words])


def gathered(own: Tensor, *, full_gradient: bool = True) -> Tensor:
    """(B, ...) of each process -> (W*B, ...) of all W, in the order of their ranks; itself where there is one process.

    full_gradient: gradients of every process's loss reach `own`, so that averaged gradients are those of one process
    with the whole batch; False keeps the part of this process's own rows, 1/W of that, as UMT's released code does.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return own
    if full_gradient and own.requires_grad:
        return _Gathered.apply(own)  # type: ignore[return-value]
    parts = _parts(own)
    parts[dist.get_rank()] = own
    return torch.cat(parts)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, own: Tensor) -> Tensor:
        return torch.cat(_parts(own))

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:  # type: ignore[override]
        # Collectives send memory as it lies: a transposed gradient, such as einsum makes, would come out mixed up.
        summed = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed.chunk(dist.get_world_size())[dist.get_rank()]


def _parts(own: Tensor) -> list[Tensor]:
    own = own.detach().contiguous()
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own)
    return parts
