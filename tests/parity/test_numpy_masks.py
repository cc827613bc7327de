import json

import numpy as np
import pytest
from numpy.random import RandomState
from safetensors.numpy import load_file

from mvkit.errors import MaskError
from mvkit.parity.numpy_masks import nested, random, tube
from mvkit.tokens import TokenGrid

GRID = TokenGrid(3, 2, 5)


def test_tubes_hide_the_same_places_in_every_step_and_random_tokens_any():
    hidden = tube(GRID, 0.35, RandomState(1)).reshape(GRID.t, GRID.places)
    assert (hidden == hidden[0]).all() and hidden[0].sum() == 3
    scattered = random(GRID, 0.35, RandomState(1))
    assert scattered.shape == (30,) and scattered.sum() == 10
    assert not (scattered.reshape(3, 10) == scattered[:10]).all()


def test_one_generator_gives_each_clip_its_own_mask_and_a_seed_the_same_ones():
    draws = RandomState(4)
    first, second = tube(GRID, 0.5, draws), tube(GRID, 0.5, draws)
    assert (first != second).any() and (first == tube(GRID, 0.5, RandomState(4))).all()


def test_masks_are_a_shuffle_of_the_legacy_stream_whatever_the_type_of_its_numbers():
    codes = np.hstack([np.zeros(10 - 7), np.ones(7)])
    RandomState(8).shuffle(codes)
    assert (tube(GRID, 0.75, RandomState(8)) == np.tile(codes, 3).astype(bool)).all()


def test_the_teacher_hides_a_part_of_what_the_student_hides_and_sees_the_extra_ones():
    masks = nested(GRID, 0.8, 0.35, RandomState(2))
    assert not (masks.teacher & ~masks.student).any()
    assert (masks.extra == (masks.student & ~masks.teacher)).all()
    assert [mask[:10].sum() for mask in masks] == [8, 3, 5]


@pytest.mark.parametrize("teacher", [0.0, 0.09, 0.9])
def test_ratios_that_the_official_generator_mixes_up_are_refused(teacher):
    with pytest.raises(MaskError, match="teacher ratio"):
        nested(GRID, 0.8, teacher, RandomState(0))


def test_recorded_masks_of_amd_come_from_its_seed(recordings):
    said = json.loads((recordings / "amd_public.json").read_text())["config"]
    wanted = load_file(recordings / "amd_public.safetensors")
    grid, draws = TokenGrid(4, 4, 4), RandomState(said["seed"])
    clips = [nested(grid, said["mask_ratio_student"], said["mask_ratio_teacher"], draws) for _ in range(2)]
    for ours, theirs in (("student", "mask_student"), ("teacher", "mask_teacher"), ("extra", "mask_diff")):
        assert (np.stack([getattr(masks, ours) for masks in clips]) == wanted[f"input.{theirs}"]).all()
