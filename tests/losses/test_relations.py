import math

import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.losses.relations import relation, relation_loss


def rows(seed, count=5, width=7):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_divergence_of_each_row_written_by_hand():
    own, theirs, total = rows(0), rows(1, width=9), 0.0
    for i in range(5):
        others = [j for j in range(5) if j != i]
        p = torch.stack([torch.cosine_similarity(own[i], own[j], dim=0) for j in others]).div(0.1).softmax(0)
        q = torch.stack([torch.cosine_similarity(theirs[i], theirs[j], dim=0) for j in others]).div(0.05).softmax(0)
        total += sum(b.item() * (math.log(b) - math.log(a)) for a, b in zip(p, q, strict=True))
    assert relation_loss(relation(own, 0.1), relation(theirs, 0.05)).item() == pytest.approx(total, rel=1e-5)


def test_equal_relations_at_equal_temperatures_lose_nothing_whatever_the_scale():
    x = rows(0)
    assert relation_loss(relation(3 * x, 0.1), relation(x, 0.1)).abs() < 1e-6


def test_no_gradient_reaches_the_teacher():
    own, theirs = rows(0).requires_grad_(), rows(1).requires_grad_()
    relation_loss(relation(own, 0.1), relation(theirs, 0.05)).backward()
    assert own.grad.abs().sum() > 0 and theirs.grad is None


def test_sets_of_different_size_are_refused():
    with pytest.raises(ShapeError, match="same rows"):
        relation_loss(relation(rows(0), 0.1), relation(rows(0, count=4), 0.1))
