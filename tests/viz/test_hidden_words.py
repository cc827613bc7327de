from itertools import pairwise

import numpy as np
import pytest

from mvkit import viz
from mvkit.errors import ShapeError
from mvkit.viz.hidden_words import filled

CLIPS = np.random.default_rng(0).integers(0, 255, (2, 4, 8, 12, 3)).astype(np.uint8)
CAPTIONS = [
    {"words": ["a", "red", "square"], "read": ["a", "[MASK]", "[MASK]"], "guessed": ["", "red", "star"]},
    {"words": ["moves", "up"], "read": ["moves", "ring"], "guessed": ["", "up"]},
]


def texts(fig) -> list[str]:
    return [text.get_text() for text in fig.texts if text.get_text()]


def test_a_guess_is_ticked_or_crossed_and_a_wrong_one_says_what_was_there():
    fig, data = filled(CLIPS, CAPTIONS)
    assert texts(fig) == ["a", "?", "✓ red", "?", "✗ star", "was square", "moves", "ring", "✓ up"]
    assert "2 of 3 guessed right" in data.alt and "a [red, right] [star, wrong, was square]" in data.alt


def test_a_long_caption_goes_on_in_the_next_line_inside_the_page():
    long = {"words": ["triangle"] * 40, "read": ["[MASK]"] * 40, "guessed": ["checkered"] * 40}
    fig, _ = filled(CLIPS[:1], [long])
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in fig.texts if text.get_text() == "✗ checkered"]
    lines = [sorted(box.x0 for box in boxes if box.y0 == y) for y in {box.y0 for box in boxes}]
    assert len(boxes) == 40 and len(lines) > 2
    assert all(box.x0 >= 0 and box.x1 <= fig.bbox.x1 and box.y0 >= 0 for box in boxes)
    assert all(other - one > boxes[0].width for line in lines for one, other in pairwise(line))


def test_it_is_drawn_again_from_its_record_alone(tmp_path):
    fig, data = filled(CLIPS, CAPTIONS)
    saved = viz.save(fig, "words", tmp_path, data=data, caption="Filled in.")
    assert viz.rebuild(saved.json, tmp_path / "again").same_bytes


def test_a_caption_for_each_clip_is_wanted():
    with pytest.raises(ShapeError, match="got 2"):
        filled(CLIPS[:1], CAPTIONS)
