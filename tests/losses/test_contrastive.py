import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.losses import contrastive_loss


def similarity(size: int = 5) -> torch.Tensor:
    return torch.rand(size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def by_hand(table: torch.Tensor, temperature: float, groups: list[int]) -> float:
    """Mean over rows of minus the log share of each partner, then the same over columns."""
    total = 0.0
    for view in (table, table.T):
        for row, own in zip(view / temperature, groups, strict=True):
            partners = [n for n, group in enumerate(groups) if group == own]
            share = row.exp() / row.exp().sum()
            total -= sum(share[n].log().item() for n in partners) / len(partners)
    return total / (2 * len(groups))


@pytest.mark.parametrize("groups", [[0, 1, 2, 3, 4], [3, 1, 3, 0, 3]])
def test_the_loss_matches_the_loop_written_by_hand(groups):
    got = contrastive_loss(similarity(), temperature=0.2, groups=torch.tensor(groups))
    assert got.item() == pytest.approx(by_hand(similarity(), 0.2, groups), abs=1e-6)


def test_without_groups_all_items_differ():
    table = similarity()
    assert torch.equal(
        contrastive_loss(table, temperature=0.1), contrastive_loss(table, temperature=0.1, groups=torch.arange(5))
    )


def test_equal_captions_are_no_negatives():
    """Two clips with one caption: being similar to both is the best there is, and pulls neither away."""
    alike = torch.eye(3)
    alike[0, 1] = alike[1, 0] = 1.0
    groups = torch.tensor([0, 0, 1])
    best = alike.clone().requires_grad_()
    contrastive_loss(best, temperature=0.05, groups=groups).backward()
    assert best.grad is not None and best.grad.abs().max() < 1e-6
    torn = alike.clone().requires_grad_()
    contrastive_loss(torn, temperature=0.05).backward()
    assert torn.grad is not None and torn.grad[0, 1] > 1


def test_the_order_of_the_batch_does_not_matter():
    table, groups = similarity(), torch.tensor([0, 1, 0, 2, 3])
    order = torch.tensor([3, 0, 4, 2, 1])
    moved = contrastive_loss(table[order][:, order], temperature=0.1, groups=groups[order])
    assert torch.allclose(moved, contrastive_loss(table, temperature=0.1, groups=groups), atol=1e-6)


def test_tables_that_are_not_square_and_groups_of_another_size_are_refused():
    with pytest.raises(ShapeError, match=r"\(B, B\)"):
        contrastive_loss(similarity()[:, :3], temperature=0.1)
    with pytest.raises(ShapeError, match=r"\(5,\)"):
        contrastive_loss(similarity(), temperature=0.1, groups=torch.arange(4))
