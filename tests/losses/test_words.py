import torch

from mvkit.losses.words import IGNORED, hide_words, word_loss
from mvkit.models.wordpiece import SpecialWords

SPECIAL = SpecialWords(pad=0, first=2, last=3, mask=4)


def hidden(ratio=0.5, seed=0):
    ids = torch.randint(5, 90, (400, 12), generator=torch.Generator().manual_seed(1))
    ids[:, 0], ids[:, 9], ids[:, 10:] = SPECIAL.first, SPECIAL.last, SPECIAL.pad
    return ids, *hide_words(ids, SPECIAL, 90, ratio=ratio, generator=torch.Generator().manual_seed(seed))


def test_padding_and_the_first_token_are_never_chosen_and_the_last_may_be():
    ids, changed, labels = hidden()
    chosen = labels != IGNORED
    assert not chosen[:, 0].any() and not chosen[:, 10:].any() and chosen[:, 9].any()
    assert torch.equal(labels[chosen], ids[chosen]) and torch.equal(changed[~chosen], ids[~chosen])


def test_of_the_chosen_eight_in_ten_are_masked_one_replaced_one_kept():
    ids, changed, labels = hidden()
    chosen = labels != IGNORED
    share = chosen[:, 1:10].float().mean()
    masked = (changed[chosen] == SPECIAL.mask).float().mean()
    kept = (changed[chosen] == ids[chosen]).float().mean()
    assert abs(share - 0.5) < 0.03 and abs(masked - 0.8) < 0.03 and abs(kept - 0.1) < 0.03


def test_the_same_generator_hides_the_same_words_and_ratio_0_none():
    assert torch.equal(hidden(seed=3)[1], hidden(seed=3)[1])
    assert not torch.equal(hidden(seed=3)[1], hidden(seed=4)[1])
    ids, changed, labels = hidden(ratio=0)
    assert torch.equal(ids, changed) and word_loss(torch.randn(400, 12, 90), labels) == 0


def test_the_loss_is_the_mean_over_the_words_asked_for():
    logits, labels = torch.randn(2, 3, 7), torch.tensor([[IGNORED, 4, IGNORED], [1, IGNORED, IGNORED]])
    by_hand = -(logits[0, 1].log_softmax(0)[4] + logits[1, 0].log_softmax(0)[1]) / 2
    assert torch.allclose(word_loss(logits, labels), by_hand)
