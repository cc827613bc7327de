import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import silhouette_score

from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.embedding import embed, leave_one_out


def clips(apart: float) -> tuple[torch.Tensor, torch.Tensor]:
    """36 clips of three labels whose means lie `apart` deviations from each other."""
    labels = torch.arange(36) % 3
    noise = torch.randn(36, 7, generator=torch.Generator().manual_seed(0))
    return noise + apart * F.one_hot(labels, 7), labels


def test_the_numbers_are_those_of_the_features_and_labels_apart_are_found():
    features, labels = clips(9.0)
    found = embed(features, labels, k=5, perplexity=8)
    assert found.places.shape == (36, 2) and np.isfinite(found.places).all()
    assert found.knn == 1 and found.chance == pytest.approx(1 / 3)
    scaled = (features - features.mean(0)) / features.std(0)
    assert found.silhouette == pytest.approx(float(silhouette_score(scaled, labels, metric="cosine")), abs=1e-5)
    centres = np.stack([found.places[found.labels == label].mean(0) for label in range(3)])
    nearest = np.linalg.norm(found.places[:, None] - centres, axis=2).argmin(1)
    assert (nearest == found.labels).all()


def test_labels_without_a_trace_in_the_features_are_at_chance_whatever_the_picture_says():
    features, labels = clips(0.0)
    found = embed(features, labels, k=5, perplexity=8)
    assert found.knn < 0.6 and abs(found.silhouette) < 0.15


def test_the_same_seed_gives_the_same_places():
    features, labels = clips(2.0)
    first, again = (embed(features, labels, k=3, perplexity=5, seed=4) for _ in range(2))
    assert np.array_equal(first.places, again.places)


def test_a_clip_is_never_its_own_neighbour():
    unit = F.normalize(torch.tensor([[1.0, 0], [1, 0.01], [0, 1], [0.01, 1]]), dim=1)
    assert leave_one_out(unit, torch.tensor([0, 1, 0, 1]), 1) == 0
    assert leave_one_out(unit, torch.tensor([5, 5, 7, 7]), 1) == 1


def test_too_few_clips_or_labels_are_refused():
    features, labels = clips(1.0)
    with pytest.raises(ShapeError, match="with labels"):
        embed(features, labels[:5])
    for wrong in ({"k": 36}, {"perplexity": 36.0}):
        with pytest.raises(OptionError, match="below the number of clips"):
            embed(features, labels, **wrong)
    with pytest.raises(OptionError, match="two labels"):
        embed(features, torch.zeros(36, dtype=torch.long), k=3, perplexity=5)
