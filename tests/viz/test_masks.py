import numpy as np
import pytest
import torch

from mvkit import TokenGrid, viz
from mvkit.errors import MaskError, OptionError, ShapeError
from mvkit.maskers.base import MaskSet, TokenMask
from mvkit.viz.film import chosen_steps

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
    with pytest.raises(ShapeError, match="'tube' is"):
        viz.masks.montage(clip, {"tube": np.zeros((2, 3, 5), np.int8)})
    with pytest.raises(OptionError, match="unknown look"):
        viz.masks.montage(clip[:4], {"tube": np.zeros((2, 3, 5), np.int8)}, look="red")
    with pytest.raises(OptionError, match="at least one map"):
        viz.masks.montage(clip[:4], {})


def test_statistics_of_the_inspect_room_are_printed_under_the_row():
    from mvkit.inspect.masks import mask_statistics

    mask = mask_of([0, 29])
    fig, _ = viz.masks.montage(
        np.zeros((4, 6, 10, 3), np.uint8), **viz.masks.rows({"tube": mask}), statistics={"tube": mask_statistics(mask)}
    )
    words = " ".join(text.get_text() for text in fig.texts)
    assert "hidden 0.93" in words and "visible/step 1" in words and "place leak 0.07" in words


def test_a_row_with_several_roles_says_in_words_what_its_looks_mean():
    roles = MaskSet({"student": mask_of([0, 29]), "teacher": mask_of([0, 7, 29])})
    fig, _ = viz.masks.montage(np.zeros((4, 6, 10, 3), np.uint8), **viz.masks.rows({"Nested": roles}))
    words = [text.get_text() for text in fig.texts]
    assert {"the student sees it", "only the teacher sees it", "hidden"} <= set(words)


def test_statistics_break_into_lines_where_the_page_is_narrow():
    numbers = {"ratio": 0.9, "step_min": 9.0, "step_max": 28.0, "place_leak": 0.17, "border": 0.32, "motion_lift": 1.2}
    maps = {"tube": np.zeros((2, 3, 5), np.int8)}
    fig, _ = viz.masks.montage(
        np.zeros((4, 6, 10, 3), np.uint8), maps, statistics={"tube": numbers}, venue="cvpr-column"
    )
    fig.canvas.draw()
    assert all(text.get_window_extent().x1 <= fig.bbox.x1 for text in fig.texts)


def test_nested_masks_are_counted_and_refused_the_wrong_way_round():
    student, teacher = mask_of([0, 29]), mask_of([0, 7, 29])
    _, data = viz.masks.nested(np.zeros((4, 6, 10, 3), np.uint8), student, teacher)
    assert "both see it: 2 (1 a step); only the teacher sees it: 1; hidden from both: 27." in data.alt
    with pytest.raises(MaskError, match="swap the masks"):
        viz.masks.nested(np.zeros((4, 6, 10, 3), np.uint8), teacher, student)


@pytest.mark.parametrize(("steps", "columns", "wanted"), [(8, 4, 4), (2, 8, 2), (1, 4, 1), (7, None, 7)])
def test_shown_steps_are_spread_and_keep_both_ends(steps, columns, wanted):
    chosen = chosen_steps(steps, columns)
    assert len(chosen) == wanted and chosen[0] == 0 and chosen[-1] == steps - 1


def test_a_wanted_step_takes_the_place_of_the_one_next_to_it():
    assert chosen_steps(8, 3, wanted=5) == [0, 5, 7]
    assert chosen_steps(8, None, wanted=5) == list(range(8))


@pytest.mark.parametrize("columns", [None, 1])
def test_the_key_of_a_strip_of_one_step_stays_whole(columns):
    grid = TokenGrid(1, 3, 5)
    student, teacher = (TokenMask.from_visible(torch.tensor([ids]), grid) for ids in ([0, 14], [0, 7, 14]))
    fig, _ = viz.masks.nested(np.zeros((2, 6, 10, 3), np.uint8), student, teacher, columns=columns)
    fig.canvas.draw()
    assert all(text.get_window_extent().x1 <= fig.bbox.x1 for text in fig.texts)
    fig, _ = viz.masks.montage(
        np.zeros((2, 6, 10, 3), np.uint8),
        **viz.masks.rows({"Nested": MaskSet({"student": student, "teacher": teacher})}),
    )
    fig.canvas.draw()
    assert all(text.get_window_extent().x1 <= fig.bbox.x1 for text in fig.texts)
