import pytest
import torch

from mvkit.errors import ShapeError
from mvkit.losses.matching import draw, draw_negatives, hard_weights, matching_loss, pairs


def test_the_most_similar_other_is_the_likeliest_negative():
    logits = torch.tensor([[9.0, 2.0, 1.0], [0.0, 9.0, 3.0], [1.0, 1.0, 9.0]])
    weights = hard_weights(logits, torch.arange(3))
    assert torch.equal(weights.argmax(1), torch.tensor([1, 2, 0])) and not weights.diagonal().any()
    wanted = logits.softmax(1)
    assert torch.allclose(weights[0, 1:], wanted[0, 1:], atol=1e-6)


def test_what_belongs_together_is_never_a_negative():
    groups = torch.tensor([4, 4, 9, 9])
    weights = hard_weights(torch.randn(4, 4), groups)
    assert not weights[groups[:, None] == groups].any()
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([draw(weights, generator) for _ in range(50)])
    assert (groups[drawn] != groups).all()


def test_numbers_that_are_none_still_allow_a_draw():
    logits = torch.full((2, 2), float("nan"))
    assert hard_weights(logits, torch.arange(2))[0, 1] == pytest.approx(0.01)


def test_a_batch_without_negatives_is_refused():
    with pytest.raises(ShapeError, match="another caption in every batch"):
        hard_weights(torch.zeros(2, 2), torch.tensor([1, 1]))


def test_the_first_pairs_are_the_ones_that_belong_together():
    logits = torch.tensor([[0.0, 30.0], [30.0, 0.0], [30.0, 0.0]])
    assert matching_loss(logits, 1) < 1e-6 and matching_loss(logits.flip(1), 1) == pytest.approx(30)


def test_pairs_are_those_that_belong_together_then_two_kinds_that_do_not():
    words, states = torch.arange(6).view(3, 2), torch.arange(3.0).view(3, 1, 1)
    tokens = 10 + states
    asked = pairs(states, words, tokens, torch.tensor([1, 2, 0]), torch.tensor([2, 0, 1]))
    assert asked[0].flatten().tolist() == [0, 1, 2, 0, 1, 2, 2, 0, 1]
    assert asked[2].flatten().tolist() == [10, 11, 12, 11, 12, 10, 10, 11, 12]
    assert torch.equal(asked[1][6:], words[[2, 0, 1]])


def test_negatives_of_captions_are_drawn_by_column_and_of_clips_by_row():
    logits = torch.tensor([[0.0, 90.0, 0.0], [0.0, 0.0, 90.0], [0.0, 90.0, 0.0]])
    for_captions, for_clips = draw_negatives(logits, torch.arange(3), torch.Generator().manual_seed(0))
    assert for_clips.tolist() == [1, 2, 1] and for_captions.tolist()[1:] in ([0, 1], [2, 1])
