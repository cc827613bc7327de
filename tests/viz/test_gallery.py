import io

import numpy as np
import pytest
from PIL import Image

from mvkit import viz
from mvkit.errors import ShapeError
from mvkit.inspect.queries import Query
from mvkit.viz.gallery import playing, stills

QUERIES = {
    "best": Query("a <red> square moves up", 1, 9, (4, 2), (1, 2), (0.75, 0.5), (True, False)),
    "worst": Query("a blue ring moves down", 7, 9, (0, 1, 3), (1, 2, 7), (0.9, 0.8, 0.1), (False, False, True)),
}
RNG = np.random.default_rng(0)
CLIPS = {label: RNG.integers(0, 255, (len(one.places), 5, 8, 12, 3)).astype(np.uint8) for label, one in QUERIES.items()}


def test_ranks_right_and_wrong_are_said_in_words():
    fig, data = stills(QUERIES, CLIPS)
    said = [text.get_text() for text in fig.texts]
    assert {"1. right 0.75", "2. wrong 0.50", "7. right 0.10", "worst rank", "7 of 9"} <= set(said)
    assert any("“a blue ring moves down”" in words for words in said)
    assert "worst rank, 7 of 9" in data.alt
    assert len(fig.axes) == 2 * (2 + 3)  # the first and the last frame of each


def test_every_clip_plays_all_its_frames_and_stands_still_on_paper(tmp_path):
    made = playing(QUERIES, CLIPS, side=24)
    first = Image.open(io.BytesIO(next(iter(made.gifs.values())).data))
    assert first.n_frames == 5 and first.width == 2 * 24 + 4
    page = made._repr_html_()
    assert page.count("data:image/gif;base64,") == page.count("data:image/png;base64,") == 2
    assert "@media print" in page and "a &lt;red&gt; square" in page and "http" not in page
    assert [path.name for path in made.save(tmp_path)] == ["1.gif", "2.gif"]
    assert made == playing(QUERIES, CLIPS, side=24)


def test_it_is_drawn_again_from_its_record_alone(tmp_path):
    fig, data = stills(QUERIES, CLIPS)
    saved = viz.save(fig, "gallery", tmp_path, data=data, caption="Found.")
    assert viz.rebuild(saved.json, tmp_path / "again").same_bytes


def test_a_clip_for_each_place_is_wanted():
    with pytest.raises(ShapeError, match="'worst': 3"):
        stills(QUERIES, CLIPS | {"worst": CLIPS["best"]})
    with pytest.raises(ShapeError, match="clips"):
        playing(QUERIES, {"best": CLIPS["best"]})
