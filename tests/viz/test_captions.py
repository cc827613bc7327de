import numpy as np
import pytest
from matplotlib.colors import to_rgba

from mvkit import viz
from mvkit.errors import ShapeError
from mvkit.viz import style
from mvkit.viz.captions import similarity

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 1, 8, 12, 3)).astype(np.uint8)
CAPTIONS = ["a red square moves up", "a blue ring moves down over a striped background"]
COSINES = np.array([[0.9, 0.1, 0.3], [0.2, 0.4, 0.1]], np.float32)


def test_every_frame_names_the_caption_it_is_most_like():
    _, data = similarity(FRAMES, CAPTIONS, COSINES)
    assert "frame 1 is most like 'a red square moves up' (0.90)" in data.alt
    assert "frame 2 is most like 'a blue ring moves down over a striped background' (0.40)" in data.alt
    assert data.limits["cosine"] == pytest.approx([0.1, 0.9])


def test_one_cell_in_each_column_is_framed_and_every_cosine_is_written():
    fig, _ = similarity(FRAMES, CAPTIONS, COSINES)
    framed = [axes for axes in fig.axes if axes.spines["left"].get_edgecolor() == to_rgba(style.VERMILION)]
    assert [axes.texts[0].get_text() for axes in framed] == ["0.90", "0.40", "0.30"]
    assert sum(len(axes.texts) for axes in fig.axes) == COSINES.size


def test_it_is_drawn_again_from_its_record_alone(tmp_path):
    fig, data = similarity(FRAMES, CAPTIONS, COSINES)
    saved = viz.save(fig, "captions", tmp_path, data=data, caption="Frames and captions.")
    assert viz.rebuild(saved.json, tmp_path / "again").same_bytes


def test_cosines_the_other_way_round_are_refused():
    with pytest.raises(ShapeError, match=r"here \(2, 3\)"):
        similarity(FRAMES, CAPTIONS, COSINES.T)
