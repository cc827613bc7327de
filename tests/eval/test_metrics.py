import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import accuracy_score, top_k_accuracy_score

from mvkit.errors import OptionError, ShapeError
from mvkit.eval.metrics import accuracies, accuracy, in_top


def scores_and_labels(n: int = 57, classes: int = 9, levels: int | None = None):
    g = torch.Generator().manual_seed(0)
    scores = torch.randn(n, classes, generator=g)
    if levels:
        scores = torch.randint(0, levels, (n, classes), generator=g).float()
    return scores, torch.randint(0, classes, (n,), generator=g)


def test_top_1_and_top_5_are_those_of_scikit_learn():
    scores, labels = scores_and_labels()
    said = accuracies(scores, labels)
    assert said.top1.value == pytest.approx(accuracy_score(labels, scores.argmax(1)), abs=1e-12)
    assert said.top5 is not None
    assert said.top5.value == pytest.approx(top_k_accuracy_score(labels, scores, k=5), abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_equal_scores_go_to_the_lower_class_number_where_scikit_learn_takes_the_higher(k):
    scores, labels = scores_and_labels(levels=3)
    mirrored = top_k_accuracy_score(8 - labels, scores.flip(1), k=k, labels=np.arange(9))
    assert float(in_top(scores, labels, k).float().mean()) == pytest.approx(mirrored)
    if k == 1:
        assert torch.equal(in_top(scores, labels, 1), scores.argmax(1) == labels)


def test_scores_that_are_all_the_same_earn_chance_and_not_everything():
    labels = torch.arange(8)
    assert in_top(torch.zeros(8, 8), labels, 1).tolist() == [True] + [False] * 7
    assert int(in_top(torch.zeros(8, 8), labels, 5).sum()) == 5


@pytest.mark.parametrize("classes", [2, 5])
def test_there_is_no_top_5_of_five_classes_or_fewer(classes):
    scores, labels = scores_and_labels(classes=classes)
    assert accuracies(scores, labels).top5 is None
    with pytest.raises(OptionError, match=f"top-5 of {classes} classes says nothing"):
        in_top(scores, labels, 5)


@pytest.mark.parametrize("labels", [[0, -1], [0, 3]])
def test_labels_without_a_score_are_refused(labels):
    with pytest.raises(ShapeError, match="do not fit scores of 3 classes"):
        in_top(torch.zeros(2, 3), torch.tensor(labels), 1)


def test_scores_that_are_not_numbers_are_refused_and_not_counted_as_right():
    scores = torch.tensor([[0.0, 1.0], [float("nan"), 0.0]])
    with pytest.raises(ShapeError, match="scores of 1 of 2 clips are not finite"):
        in_top(scores, torch.tensor([1, 0]), 1)


def test_the_interval_is_the_percentile_bootstrap_of_scipy():
    correct = (torch.rand(300, generator=torch.Generator().manual_seed(0)) < 0.7).float()
    said = accuracy(correct, resamples=4000, level=0.9)
    theirs = stats.bootstrap(
        (correct.numpy(),), np.mean, n_resamples=4000, confidence_level=0.9, method="percentile", batch=100
    ).confidence_interval
    assert said.low == pytest.approx(theirs.low, abs=0.006) and said.high == pytest.approx(theirs.high, abs=0.006)
    assert said.low < said.value < said.high


def test_the_same_seed_gives_the_same_interval_and_more_clips_a_narrower_one():
    correct = (torch.arange(200) % 4 > 0).float()
    assert accuracy(correct) == accuracy(correct)
    assert accuracy(correct) != accuracy(correct, seed=1)
    wide, narrow = accuracy(correct), accuracy(correct.repeat(16))
    assert (wide.high - wide.low) == pytest.approx(4 * (narrow.high - narrow.low), rel=0.2)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    g = torch.Generator().manual_seed(0)
    draws = [accuracy((torch.rand(150, generator=g) < 0.6).float(), resamples=300, seed=i) for i in range(200)]
    assert 0.90 < np.mean([a.low <= 0.6 <= a.high for a in draws]) < 0.99


def test_all_right_is_a_point_and_no_clips_are_refused():
    assert str(accuracy(torch.ones(5))) == "100.0% [100.0%, 100.0%]"
    with pytest.raises(OptionError, match="got 0 clips"):
        accuracy(torch.ones(0))
