import numpy as np
import pytest
import torch

from mvkit import TokenGrid, viz
from mvkit.errors import OptionError, ShapeError
from mvkit.maskers.base import MaskSet, TokenMask
from mvkit.viz import style
from mvkit.viz.strip import chosen_steps, enlarge, tint

GRID = TokenGrid(2, 3, 5)


def mask_of(visible: list[int]) -> TokenMask:
    return TokenMask.from_visible(torch.tensor([visible]), GRID)


def test_a_role_map_says_hidden_and_the_first_role_that_sees():
    student, teacher = mask_of([0, 29]), mask_of([0, 7, 29])
    seen, names = viz.masks.role_map(MaskSet({"student": student, "teacher": teacher}))
    assert names == ["hidden", "student", "teacher"]
    assert seen.shape == (2, 3, 5)
    assert seen[0, 0, 0] == 1 and seen[1, 2, 4] == 1 and seen[0, 1, 2] == 2 and (seen > 0).sum() == 3


def test_a_role_map_of_a_row_that_is_not_there_is_refused():
    with pytest.raises(ShapeError, match="row 1"):
        viz.masks.role_map(mask_of([0]), 1)


def test_hidden_tokens_are_grey_in_the_drawn_pixels_and_visible_ones_untouched():
    clip = np.full((4, 6, 10, 3), 200, np.uint8)
    fig, _ = viz.masks.montage(clip, **viz.masks.rows({"tube": mask_of([0])}))
    picture = fig.axes[2 * 1].images[0].get_array()  # after the two cells of the clip's own row
    assert (picture[:2, :2] == 200).all()
    assert (picture[2:] == 128).all() and (picture[:2, 2:] == 128).all()


def test_a_montage_refuses_masks_that_do_not_fit_the_clip():
    clip = np.zeros((5, 6, 10, 3), np.uint8)
    with pytest.raises(ShapeError, match="mask 'tube'"):
        viz.masks.montage(clip, {"tube": np.zeros((2, 3, 5), np.int8)})
    with pytest.raises(OptionError, match="look must be one of"):
        viz.masks.montage(clip[:4], {"tube": np.zeros((2, 3, 5), np.int8)}, look="red")
    with pytest.raises(OptionError, match="at least one mask"):
        viz.masks.montage(clip[:4], {})


def test_statistics_of_the_inspect_room_are_printed_under_the_row():
    from mvkit.inspect.masks import mask_statistics

    mask = mask_of([0, 29])
    fig, _ = viz.masks.montage(
        np.zeros((4, 6, 10, 3), np.uint8), **viz.masks.rows({"tube": mask}), statistics={"tube": mask_statistics(mask)}
    )
    words = " ".join(text.get_text() for text in fig.texts)
    assert "hidden 0.93" in words and "visible/step 1" in words and "place leak 0.07" in words


def test_enlarging_repeats_tokens_and_refuses_pixels_that_do_not_divide():
    assert enlarge(np.array([[1, 2]]), 2, 4).tolist() == [[1, 1, 2, 2]] * 2
    with pytest.raises(ShapeError, match="do not divide"):
        enlarge(np.array([[1, 2]]), 2, 5)


def test_tint_mixes_and_covers():
    picture = np.full((1, 2, 3), 100, np.uint8)
    where = np.array([[True, False]])
    assert tint(picture, where, "#FFFFFF", 0.5)[0].tolist() == [[178] * 3, [100] * 3]
    assert tint(picture, where, style.BLACK, 1.0)[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("steps", "columns", "wanted"), [(8, 4, 4), (2, 8, 2), (1, 4, 1), (7, None, 7)])
def test_shown_steps_are_spread_and_keep_both_ends(steps, columns, wanted):
    chosen = chosen_steps(steps, columns)
    assert len(chosen) == wanted and chosen[0] == 0 and chosen[-1] == steps - 1
