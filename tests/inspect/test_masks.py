"""Statistics of masks against slow, obvious versions and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from mvkit import TokenGrid
from mvkit.errors import ShapeError
from mvkit.inspect.masks import mask_profiles, mask_statistics, mask_variety, trajectory_leak
from mvkit.maskers import create

SHAPE = (3, 4, 5)


@pytest.fixture
def hidden() -> torch.Tensor:
    return torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(0)) < 0.7


def slow_leaks(m: np.ndarray) -> dict[str, float]:
    """Leaks, border and distance by loops over tokens."""
    hits = {k: [] for k in ("place_leak", "place_leak_any", "place_leak_3x3", "border", "visible_distance")}
    _, t, h, w = m.shape
    for i, k, y, x in np.argwhere(m):
        beside = [s for s in (k - 1, k + 1) if 0 <= s < t]
        window = (slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2))
        cross = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
        hits["place_leak"].append(any(not m[i, s, y, x] for s in beside))
        hits["place_leak_any"].append(any(not m[i, s, y, x] for s in range(t)))
        hits["place_leak_3x3"].append(any((~m[i, s][window]).any() for s in beside))
        hits["border"].append(any(not m[i, k, a, c] for a, c in cross if 0 <= a < h and 0 <= c < w))
        seen = np.argwhere(~m[i, k])
        if len(seen):
            hits["visible_distance"].append(np.abs(seen - [y, x]).max(1).min())
    return {name: float(np.mean(values)) for name, values in hits.items()}


def test_leaks_border_and_distance_agree_with_loops_over_tokens(hidden):
    stats = mask_statistics(hidden)
    for name, want in slow_leaks(hidden.numpy()).items():
        assert stats[name] == pytest.approx(want, abs=1e-6), name


def test_distances_equal_scipys_chessboard_transform(hidden):
    frames = hidden.flatten(0, 1).numpy()
    frames = frames[~frames.all((1, 2))]
    distance = np.concatenate([ndimage.distance_transform_cdt(f, "chessboard")[f] for f in frames])
    assert mask_statistics(hidden)["visible_distance"] == pytest.approx(distance.mean())


def test_clumps_equal_labelling_every_step_alone(hidden):
    for name, chosen in (("visible_clump", ~hidden), ("hidden_clump", hidden)):
        means = []
        for frame in chosen.flatten(0, 1).numpy():
            labels, count = ndimage.label(frame)
            sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
            if count:
                means.append((sizes**2).sum() / sizes.sum())
        assert mask_statistics(hidden)[name] == pytest.approx(np.mean(means))


def test_correlations_equal_sums_over_pairs(hidden):
    m = hidden.numpy().astype(float)
    r = m.mean()
    profiles = mask_profiles(hidden)
    for d in range(3):
        pairs = ((m[:, : 3 - d] - r) * (m[:, d:] - r)).mean()
        assert float(profiles.rho_time[d]) == pytest.approx(pairs / (r * (1 - r)), abs=1e-5)
        along_x = ((m[..., : 5 - d] - r) * (m[..., d:] - r)).mean()
        along_y = ((m[:, :, : 4 - d] - r) * (m[:, :, d:] - r)).mean()
        assert float(profiles.rho_space[d]) == pytest.approx((along_x + along_y) / 2 / (r * (1 - r)), abs=1e-5)
    assert profiles.rho_space.shape == (4,) and profiles.rho_time.shape == (3,)


def test_counts_and_profiles_say_what_each_step_keeps(hidden):
    stats, profiles = mask_statistics(hidden), mask_profiles(hidden)
    per_clip, per_step = hidden.sum((1, 2, 3)), (~hidden).sum((2, 3))
    assert (stats["count_min"], stats["count_max"]) == (per_clip.min(), per_clip.max())
    assert (stats["step_min"], stats["step_max"]) == (per_step.min(), per_step.max())
    assert torch.allclose(profiles.visible_per_step, per_step.float().mean(0))
    assert torch.allclose(profiles.positional_map, hidden.float().mean(0))
    places = hidden.float().mean((0, 1))
    assert stats["place_spread"] == pytest.approx(float(places.max() - places.min()))
    assert stats["flip_rate"] == pytest.approx(float((hidden[:, 1:] ^ hidden[:, :-1]).float().mean()))


def test_variety_is_what_the_statistics_say_of_many_masks(hidden):
    variety, stats = mask_variety(hidden), mask_statistics(hidden)
    assert variety == {name: stats[name] for name in ("place_spread", "step_spread", "jaccard", "jaccard_chance")}
    seen = ~hidden.flatten(1)
    pairs = [(seen[i] & seen[j]).sum() / (seen[i] | seen[j]).sum() for i in range(6) for j in range(i)]
    assert variety["jaccard"] == pytest.approx(float(np.mean(pairs)), abs=0.03)
    assert math.isnan(mask_variety(hidden[:1])["jaccard"])


def test_lifts_are_one_by_chance_and_count_what_is_seen():
    hidden = torch.ones(1, 2, 3, 5, dtype=torch.bool)
    hidden[0, 0, 0] = False  # 5 of 30 visible
    motion = torch.ones(1, 30)
    assert mask_statistics(hidden, motion=motion)["motion_lift"] == pytest.approx(1)
    motion[0, 5:] = 0
    assert mask_statistics(hidden, motion=motion, saliency=1 - motion)["motion_lift"] == pytest.approx(6)
    assert mask_statistics(hidden, saliency=1 - motion)["saliency_lift"] == 0


def test_a_tube_leaks_along_motion_and_not_in_place():
    tube = torch.zeros(1, 2, 3, 5, dtype=torch.bool)
    tube[..., 1:3] = True  # columns 1 and 2 hidden in both steps
    still, right = torch.zeros(1, 1, 3, 5, 2), torch.zeros(1, 1, 3, 5, 2)
    right[..., 0] = 1
    assert trajectory_leak(tube, still) == 0
    # Moving right: step 0 column 2 goes to the visible column 3; step 1 column 1 came from the visible column 0.
    assert trajectory_leak(tube, right) == 0.5
    assert mask_statistics(tube, flow=right)["trajectory_leak"] == 0.5
    assert mask_statistics(tube)["place_leak"] == 0


def test_what_leaves_the_plane_leaks_only_if_it_wraps():
    hidden = torch.zeros(1, 2, 1, 4, dtype=torch.bool)
    hidden[:, :, :, 3] = True
    flow = torch.zeros(1, 1, 1, 4, 2)
    flow[..., 3, 0] = 1.0
    among = hidden.clone()
    among[:, 1] = False
    assert trajectory_leak(hidden, flow, among=among) == 0
    assert trajectory_leak(hidden, flow, among=among, wrap=True) == 1


def test_masks_that_hide_nothing_or_everything_or_one_step_have_statistics():
    nothing, everything = (mask_statistics(torch.full((2, 1, 3, 5), v)) for v in (False, True))
    assert nothing["ratio"] == 0 and math.isnan(nothing["place_leak"]) and nothing["blind"] == 0
    assert everything["ratio"] == 1 and everything["blind"] == 1 and math.isnan(everything["visible_clump"])
    assert math.isnan(everything["rho_time"]) and math.isnan(everything["flip_rate"])


def test_a_token_mask_and_its_volume_measure_the_same():
    mask = create("tube", ratio=0.5)(TokenGrid(2, 3, 5), 8, generator=torch.Generator().manual_seed(0))
    assert mask_statistics(mask) == pytest.approx(mask_statistics(mask.volume()), nan_ok=True)


def test_what_is_no_mask_is_refused():
    with pytest.raises(ShapeError, match="hidden tokens"):
        mask_statistics(torch.zeros(2, 30, dtype=torch.bool))
    with pytest.raises(ShapeError, match="flow must be"):
        trajectory_leak(torch.zeros(1, 2, 3, 5, dtype=torch.bool), torch.zeros(1, 2, 3, 5, 2))
