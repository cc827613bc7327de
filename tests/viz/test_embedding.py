import numpy as np
import pytest

from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.embedding import Embedding
from mvkit.viz import embedding


def one(n: int = 12, **changes) -> Embedding:
    places = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    return Embedding(**({"places": places, "labels": np.arange(n) % 3, "knn": 0.75, "silhouette": 0.125,
                         "chance": 1 / 3} | changes))  # fmt: skip


def test_the_numbers_stand_above_the_plane_and_in_the_words():
    fig, data = embedding.clips({"MVD": one(), "untrained": one(knn=0.25)}, ["a", "b", "c"], labels="motion")
    words = " ".join(text.get_text() for text in fig.texts)
    assert "kNN 0.75 (chance 0.33)" in words and "silhouette 0.12" in words
    assert "12 clips by motion" in data.alt and "untrained: kNN accuracy 0.25" in data.alt


def test_every_label_has_a_mark_of_its_own():
    fig, _ = embedding.clips({"MVD": one()}, ["a", "b", "c"])
    lines = fig.axes[0].lines
    assert len({line.get_marker() for line in lines}) == len({line.get_color() for line in lines}) == 3
    assert sum(len(line.get_xdata()) for line in lines) == 12


def test_more_labels_than_a_reader_keeps_apart_are_refused():
    with pytest.raises(OptionError, match="1 to 10 labels"):
        embedding.clips({"MVD": one()}, [str(n) for n in range(11)])
    with pytest.raises(ShapeError, match="labels below 2"):
        embedding.clips({"MVD": one()}, ["a", "b"])
