import numpy as np
import pytest

from mvkit.errors import ShapeError
from mvkit.viz import detections

CLIPS = np.random.default_rng(0).integers(0, 256, (3, 5, 24, 40, 3), dtype=np.uint8)
NONE = np.zeros((0, 4))
BOX = np.array([[0.1, 0.2, 0.5, 0.9]])
FOUND = [
    {"boxes": BOX, "said": ["left 0.91"], "true": ["left"], "right": np.array([True]), "missed": NONE},
    {
        "boxes": np.concatenate([BOX, BOX / 2]), "said": ["up 0.50", "a long action of somebody who talks 0.40"],
        "true": ["down", "nobody"], "right": np.array([False, False]), "missed": BOX,
    },
    {"boxes": NONE, "said": [], "true": [], "right": np.zeros(0, bool), "missed": NONE},
]  # fmt: skip


def drawn(**options):
    return detections.examples(CLIPS, FOUND, ["best", "worst"], **options)


def test_what_was_said_of_each_box_stands_under_it_and_in_the_alt_text():
    fig, data = drawn()
    words = [text.get_text() for text in fig.texts]
    assert "left 0.91, correct" in words and "nothing found" in words
    assert any(text.startswith("1: up 0.50, is down\n2: a long action") and "1 not found" in text for text in words)
    assert "a long action of somebody who talks 0.40, is nobody" in data.alt


def test_boxes_lie_where_they_were_found_and_differ_in_more_than_their_colour():
    fig, _ = drawn()
    marked = [axes for axes in fig.axes if axes.patches]
    assert len(marked) == 2, "the keyframes only"
    top = marked[0].patches[-1]
    assert (*top.get_xy(), top.get_width(), top.get_height()) == pytest.approx((0.1, 0.2, 0.4, 0.7))
    lines = {str(patch.get_linestyle()) for axes in marked for patch in axes.patches[1::2]}
    assert len(lines) == 3


@pytest.mark.parametrize("venue", ["cvpr-column", "cvpr-full"])
def test_no_words_leave_the_page_or_touch(venue):
    fig, _ = drawn(venue=venue)
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in fig.texts if text.get_text()]
    for number, one in enumerate(boxes):
        assert one.x0 >= 0 and one.y0 >= 0 and one.x1 <= fig.bbox.x1 and one.y1 <= fig.bbox.y1
        assert not any(one.overlaps(other) for other in boxes[number + 1 :])


def test_a_drawing_of_other_counts_is_refused():
    with pytest.raises(ShapeError, match="a label for each row of 2"):
        detections.examples(CLIPS, FOUND, ["best"])
