import numpy as np
import pytest

from mvkit.data.boxes import cut, jittered, mirrored, seen_in, widened
from mvkit.data.crops import Box

TWO = np.array([[0.2, 0.1, 0.4, 0.9], [0.5, 0.5, 0.7, 0.6]])


def test_a_box_is_cut_at_the_frame_and_one_without_a_part_in_it_is_told():
    boxes = np.array([[-0.2, 0.5, 0.3, 1.4], [1.1, 0, 1.2, 1], [0.3, 0.3, 0.3, 0.6], [np.nan, 0, 1, 1], *TWO])
    inside, kept = cut(boxes)
    assert kept.tolist() == [True, False, False, False, True, True]
    assert inside[kept].tolist() == [[0, 0.5, 0.3, 1], *TWO.tolist()]


def test_a_widened_box_is_a_tenth_wider_and_a_twentieth_taller_around_its_centre():
    assert widened(TWO) == pytest.approx(np.array([[0.19, 0.08, 0.41, 0.92], [0.49, 0.4975, 0.71, 0.6025]]))


def test_a_jittered_side_moves_a_fifth_out_or_a_tenth_in_and_half_of_that_upright():
    one = np.tile([[0.4, 0.2, 0.6, 0.6]], (4000, 1))  # 0.2 wide, 0.4 tall
    moved = jittered(one, np.random.default_rng(0))
    low = np.array([0.36, 0.16, 0.58, 0.58])
    high = np.array([0.42, 0.22, 0.64, 0.64])
    assert (moved >= low).all() and (moved <= high).all()
    assert moved.min(0) == pytest.approx(low, abs=1e-3) and moved.max(0) == pytest.approx(high, abs=1e-3)
    assert np.abs(np.corrcoef(moved.T) - np.eye(4)).max() < 0.06, "sides move by themselves"
    assert moved.mean(0) == pytest.approx(widened(one)[0], abs=1e-3), "a test box is what a training box is on average"


def test_boxes_keep_their_pixels_in_a_crop_and_in_a_mirror():
    # 5 x 10 pixels: columns 2..4, rows 1..4; the crop begins at column 1, row 1 and is 4 x 8.
    seen = seen_in(np.array([[0.2, 0.2, 0.4, 0.8]]), Box(top=1, left=1, height=4, width=8), 5, 10)
    assert seen == pytest.approx(np.array([[1 / 8, 0, 3 / 8, 3 / 4]]))
    assert mirrored(TWO) == pytest.approx(np.array([[0.6, 0.1, 0.8, 0.9], [0.3, 0.5, 0.5, 0.6]]))
    assert mirrored(mirrored(TWO)) == pytest.approx(TWO)
