"""How samples relate to each other: similarities within a set of features, matched between two networks."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mvkit.errors import ShapeError

# What the released code writes on the diagonal, before dividing by the temperature, to leave a row itself out.
SELF = -1000.0


class Relation(NamedTuple):
    """similarity: (R, R) cosines, the diagonal overwritten. log_prob: (R, R), log softmax of each row."""

    similarity: Tensor
    log_prob: Tensor


def relation(features: Tensor, temperature: float) -> Relation:
    """features: (R, E) -> the cosine of each row to each other row, and its log softmax at a temperature."""
    rows = F.normalize(features.float(), dim=-1, eps=1e-12)
    diagonal = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    similarity = (rows @ rows.T).masked_fill(diagonal, SELF)
    return Relation(similarity, (similarity / temperature).log_softmax(-1))


def relation_loss(student: Relation, teacher: Relation) -> Tensor:
    """Divergence of the teacher's relations from the student's, summed over all pairs: () float32.

    No gradient flows to the teacher. The caller divides: MaskAgain by clips times tokens kept.
    Raises ShapeError for two sets of different size.
    """
    if student.log_prob.shape != teacher.log_prob.shape:
        raise ShapeError(
            f"relations {tuple(student.log_prob.shape)} and {tuple(teacher.log_prob.shape)} must be of the same rows"
        )
    wanted = teacher.log_prob.detach()
    return (wanted.exp() * (wanted - student.log_prob)).sum()
