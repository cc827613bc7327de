import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.inspect.queries import by_rank

TEXTS = ["one", "two", "three", "four"]
RIGHT = torch.eye(4, 5) > 0
SCORES = torch.tensor(
    [[0.1, 0.5, 0.4, 0.3, 0.2], [0.0, 0.9, 0.1, 0.2, 0.3], [0.9, 0.0, 0.5, 0.1, 0.2], [0.4, 0.3, 0.2, 0.1, 0.0]]
)


def test_the_best_the_median_and_the_worst_rank_are_taken_the_first_of_equals():
    found = by_rank(SCORES, RIGHT, TEXTS, top=2)
    assert {name: (one.text, one.rank, one.of) for name, one in found.items()} == {
        "best": ("two", 1, 5), "median": ("three", 2, 5), "worst": ("one", 5, 5),
    }  # fmt: skip


def test_candidates_stand_in_order_and_the_right_one_behind_them():
    found = by_rank(SCORES, RIGHT, TEXTS, top=2)
    assert found["worst"].places == (1, 2, 0) and found["worst"].ranks == (1, 2, 5)
    assert found["worst"].right == (False, False, True) and found["worst"].scores == pytest.approx((0.5, 0.4, 0.1))
    assert found["median"].places == (0, 2) and found["median"].right == (False, True)


def test_of_equal_scores_the_wrong_ones_come_first_as_in_the_ranks():
    one = by_rank(torch.zeros(1, 3), torch.tensor([[True, False, False]]), ["all alike"], top=3)["best"]
    assert one.rank == 3 and one.places == (1, 2, 0) and one.right == (False, False, True)


def test_of_several_right_ones_the_best_counts():
    right = torch.tensor([[True, False, False, True]])
    one = by_rank(torch.tensor([[0.1, 0.9, 0.8, 0.85]]), right, ["two answers"], top=1)["best"]
    assert one.rank == 2 and one.places == (1, 3)


@pytest.mark.parametrize("right", [torch.zeros(4, 5) > 0, RIGHT.T])
def test_a_query_without_a_right_candidate_or_of_another_size_is_refused(right):
    with pytest.raises(ShapeError, match="4 texts want"):
        by_rank(SCORES, right, TEXTS)
