import pytest
import torch

from mvkit.errors import OptionError
from mvkit.eval.knn import knn_accuracy, knn_predict
from mvkit.eval.probe import probe_accuracy


def two_clouds(n: int = 40):
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    return torch.randn(n, 5, generator=g) + 6.0 * labels[:, None], labels


def test_neighbours_and_probe_find_what_is_separable():
    x, y = two_clouds()
    assert knn_accuracy(x[:30], y[:30], x[30:], y[30:], k=5) == 1.0
    assert probe_accuracy(x[:30], y[:30], x[30:], y[30:], strength=1.0) == 1.0


def test_neither_finds_what_is_not_there():
    x, _ = two_clouds(400)
    y = torch.randint(0, 2, (400,), generator=torch.Generator().manual_seed(1))
    assert 0.3 < knn_accuracy(x[:300], y[:300], x[300:], y[300:]) < 0.7
    assert 0.3 < probe_accuracy(x[:300], y[:300], x[300:], y[300:]) < 0.7


def test_neighbours_equal_the_loop_written_by_hand():
    x, y = two_clouds(24)
    train, test = x[:20], x[20:]
    a = (train - train.mean(0)) / train.std(0)
    b = (test - train.mean(0)) / train.std(0)
    for row, said in zip(b, knn_predict(train, y[:20], test, k=3), strict=True):
        near = sorted(range(20), key=lambda i: -torch.cosine_similarity(row, a[i], dim=0))[:3]
        votes = [
            sum((torch.cosine_similarity(row, a[i], dim=0) / 0.07).exp() for i in near if y[i] == c) for c in (0, 1)
        ]
        assert int(said) == int(votes[1] > votes[0])


@pytest.mark.parametrize("k", [0, 21])
def test_k_must_fit_the_training_clips(k):
    x, y = two_clouds(20)
    with pytest.raises(OptionError, match="between 1 and the 20 training clips"):
        knn_predict(x, y, x, k=k)
