import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import ShapeError
from mvkit.inspect.told import Told
from mvkit.viz.verdicts import examples, of_task

CLIP = np.random.default_rng(0).integers(0, 255, (5, 8, 12, 3)).astype(np.uint8)
SURE = Told(CLIP, "which way does it go", "up", "up", 0.91, 0.91, True)
WRONG = Told(
    CLIP, "", "a red square moves down and then a very long caption goes on and on " * 2, "left", 0.8, 0.1, False
)
PICKED = {"surest correct": [SURE, SURE], "surest wrong": [WRONG]}


def test_questions_answers_and_the_truth_stand_below_in_words():
    fig, data = examples(PICKED)
    said = "\n".join(text.get_text() for text in fig.texts)
    assert "which way does it go\ncorrect 0.91: up" in said and "wrong 0.80: a red square" in said
    assert "true 0.10: left" in said and "surest wrong" in said
    assert len(fig.axes) == 3 * 4 and "true 0.10: left" in data.alt


@pytest.mark.parametrize("venue", ["cvpr-full", "cvpr-column"])
def test_words_stay_on_the_page_and_off_the_pictures(venue):
    fig, _ = examples(PICKED, venue=venue)
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in fig.texts]
    assert all(box.x1 <= fig.bbox.x1 and box.y0 >= 0 for box in boxes)
    assert not any(box.overlaps(axes.get_window_extent()) for box in boxes for axes in fig.axes)


def test_it_is_drawn_again_from_its_record_alone(tmp_path):
    found = of_task(PICKED)
    fig, data = found["drawn"]
    saved = viz.save(fig, "examples", tmp_path, data=data, caption=found["caption"])
    assert "by rule" in found["caption"] and viz.rebuild(saved.json, tmp_path / "again").same_bytes


def test_more_clips_than_fit_and_none_are_refused():
    with pytest.raises(ShapeError, match="'surest': 3"):
        examples({"surest": [SURE] * 3})
    with pytest.raises(ShapeError, match="nothing"):
        examples({})
