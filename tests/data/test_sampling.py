"""Frame numbers and crop origins against the numbers of the official codes."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from mvkit.data import sampling, views
from mvkit.errors import OptionError

PARITY = Path(__file__).parents[2] / ".." / "shared" / "parity"


def recorded(name: str) -> dict:
    path = PARITY / f"{name}_aux_public.json"
    if not path.is_file():
        pytest.skip(f"no recorded numbers of the official code: {path.name} is not there")
    return json.loads(path.read_text())


def values(name: str) -> list:
    return recorded("umt")["values"][name]


@pytest.mark.parametrize("method", ["videomae", "mvd"])
def test_dense_clips_are_the_official_pretraining_frames(method):
    for case in recorded(method)["pretrain"]:
        length, stride = case["duration"], case["sampling_rate"]
        starts = sampling.dense_starts(length, 16, stride)
        assert starts == (case["n_possible_starts"] or 1)
        got = sampling.dense(length, 16, stride, start=case["drawn_start"] if starts > 1 else None)
        assert got.tolist() == case["frames"]


def test_a_very_short_video_repeats_the_last_frame_a_step_could_reach():
    assert sampling.dense(5, 16, 4).tolist() == [0] * 16
    assert sampling.dense(6, 4, 4).tolist() == [0, 4, 4, 4]
    assert sampling.dense(1, 3, 4).tolist() == [0, 0, 0]


@pytest.mark.parametrize("method", ["videomae", "mvd"])
def test_dense_finetuning_frames_are_the_official_ones(method):
    data = recorded(method)
    for case in data["k400_train_long_video"]:
        assert case["randint_low_inclusive"] == 64
        assert case["randint_high_exclusive"] == case["duration"]
        got = sampling.dense_finetune(case["duration"], 16, 4, end=case["drawn_end"])
        assert got.tolist() == case["frames"]
    for case in data["k400_train_short_video"]:
        assert sampling.dense_finetune(case["duration"], 16, 4).tolist() == case["frames"]


def test_segments_have_the_official_bounds_of_videomae():
    for case in recorded("videomae")["ssv2_train_bounds"]:
        length, part = case["duration"], case["duration"] // 16
        low = sampling.segments(length, 16, offsets=[0] * 16)
        high = sampling.segments(length, 16, offsets=[max(part - 1, 0)] * 16)
        assert low.tolist() == case["lowest"]
        assert high.tolist() == case["highest"]


def test_rounded_segments_have_the_official_bounds_of_mvd():
    for case in recorded("mvd")["ssv2_train_bounds"]:
        low, high = sampling.rounded_bounds(case["duration"], 16)
        assert low.tolist() == case["lowest"]
        assert high.tolist() == case["highest"]
        draws = np.stack([sampling.segments_rounded(case["duration"], 16, generator=rng(s)) for s in range(99)])
        assert (draws.min(0) >= low).all()
        assert (draws.max(0) == high).all()


def test_segments_are_the_official_stage_one_frames_of_umt():
    for case in values("stage1_train_frame_ids"):
        part = case["video_length"] // 8
        drawn = np.random.RandomState(case["numpy_seed"]).randint(part, size=8)
        assert sampling.segments(case["video_length"], 8, offsets=drawn).tolist() == case["frame_ids"]


def test_intervals_and_their_middles_are_the_official_stage_two_frames_of_umt():
    for case in values("stage2_middle_indices"):
        got = sampling.interval_middles(case["video_length"], case["num_frames"])
        assert got.tolist() == case["indices"]
    for case in values("stage2_rand_indices"):
        length, frames = case["video_length"], case["num_frames"]
        low, high = sampling._interval_bounds(length, frames)
        source = random.Random(case["python_random_seed"])
        offsets = [source.choice(range(b - a)) for a, b in zip(low, high, strict=True)]
        assert sampling.intervals(length, frames, offsets=offsets).tolist() == case["indices"]


def test_intervals_of_one_frame_give_distinct_sorted_frames():
    got = sampling.intervals(5, 4, generator=rng(0))
    assert len(set(got.tolist())) == 4
    assert (np.diff(got) > 0).all()
    assert sampling.intervals(3, 4, generator=rng(0)).tolist() == [0, 1, 2, 2]


def test_sparse_views_are_the_official_kinetics_clips_of_umt():
    for case in values("kinetics_sparse_eval_indices"):
        count = case["test_num_segment"] if case["mode"] == "test" else 1
        got = views.sparse_views(case["video_length"], case["num_frames"], count)[case["clip_idx"]]
        assert got.tolist() == case["indices"]


@pytest.mark.parametrize("method", ["videomae", "mvd"])
@pytest.mark.parametrize("protocol", ["k400_test_5x3", "ssv2_test_2x3"])
def test_test_views_and_crop_origins_are_the_official_ones(method, protocol):
    rule = views.strided_views if protocol == "k400_test_5x3" else None
    rule = rule or (views.interleaved_views if method == "videomae" else views.centre_views)
    for case in recorded(method)[protocol]:
        clips = rule(case["duration"])
        height, width = views.short_side(case["src_h"], case["src_w"], 224)
        assert (height, width) == (case["resized_h"], case["resized_w"])
        origins = views.crop_origins(height, width, 224)
        assert len(case["views"]) == len(clips) * len(origins)
        for view in case["views"]:
            assert clips[view["chunk"]].tolist() == view["frames"]
            assert origins[view["split"]] == (view["top"], view["left"])


def test_window_covers_thirty_two_frames_with_sixteen():
    got = sampling.window(80, 16, 2, start=5)
    assert got[0] == 5
    assert got[-1] == 36
    assert got.tolist() == [5 + 32 * i // 15 for i in range(15)] + [36]
    assert sampling.window(7, 5, 2).tolist() == [0, 2, 4, 6, 6]


def test_every_training_rule_stays_inside_the_video():
    for name, rule in sampling.TRAIN.items():
        for length in (1, 2, 5, 15, 16, 17, 31, 32, 33, 64, 65, 200):
            got = rule(length, 16, 2, rng(length))
            assert got.shape == (16,), name
            assert got.min() >= 0, (name, length)
            assert got.max() < length, (name, length)
            assert (np.diff(got) >= 0).all(), (name, length)


def test_draws_reach_both_ends_and_repeat_with_the_seed():
    starts = {int(sampling.dense(12, 4, 2, generator=rng(s))[0]) for s in range(200)}
    assert starts == set(range(5))
    assert (sampling.dense(500, generator=rng(3)) == sampling.dense(500, generator=rng(3))).all()


def test_random_rules_refuse_to_guess_where_numbers_come_from():
    with pytest.raises(OptionError, match="generator="):
        sampling.dense(500)
    with pytest.raises(OptionError, match="offsets"):
        sampling.segments(32, 16, offsets=[2] * 16)
    with pytest.raises(OptionError, match="at least 1"):
        sampling.dense(0)
    with pytest.raises(OptionError, match="did you mean 'dense'"):
        sampling.rule("dens")


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
