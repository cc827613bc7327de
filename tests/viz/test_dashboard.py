import numpy as np
import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.masks import mask_profiles, mask_statistics
from mvkit.maskers import create
from mvkit.viz import dashboard

GRID = TokenGrid(4, 3, 5)


def measured(names=("random", "tube", "frame"), grid=GRID, **weights):
    masks = {name: create(name)(grid, 8, generator=torch.Generator().manual_seed(0)).primary for name in names}
    motion = torch.rand(8, *grid.shape, generator=torch.Generator().manual_seed(1))
    statistics = {name: mask_statistics(mask, **({"motion": motion} | weights)) for name, mask in masks.items()}
    return statistics, {name: mask_profiles(mask) for name, mask in masks.items()}


def test_every_strategy_stands_at_its_leak_and_lift_and_has_its_map():
    statistics, profiles = measured()
    fig, data = dashboard.masks(statistics, profiles)
    scatter, space, time, visible, *maps = fig.axes
    at = np.array([mark.get_offsets()[0] for mark in scatter.collections])
    assert np.allclose(at, [[row["place_leak"], row["motion_lift"]] for row in statistics.values()])
    assert np.allclose(visible.lines[0].get_ydata(), profiles["random"].visible_per_step)
    assert space.get_xlabel() == "distance in tokens" and time.get_xlabel() == "steps apart"
    assert len([axes for axes in maps if axes.images]) == 3
    shown = maps[1].images[0].get_array()
    assert np.allclose(shown, profiles["tube"].positional_map.mean(0))
    assert "place leak and motion lift: random" in data.alt


def test_the_trajectory_leak_is_taken_where_every_strategy_has_one():
    still = torch.zeros(8, 3, 3, 5, 2)
    fig, data = dashboard.masks(*measured(flow=still))
    assert fig.axes[0].get_xlabel() == "trajectory leak" and "trajectory leak and motion lift" in data.alt


def test_a_strategy_without_a_leak_is_named_and_not_drawn():
    fig, _ = dashboard.masks(*measured(("random", "none")))
    assert len(fig.axes[0].collections) == 1 and fig.axes[0].get_title() == "undefined: none"


def test_one_step_has_no_correlation_in_time_to_draw():
    fig, _ = dashboard.masks(*measured(("random", "tube"), TokenGrid(1, 3, 5)), venue="cvpr-column")
    assert [text.get_text() for text in fig.axes[2].texts] == ["one step only"]


def test_what_a_dashboard_cannot_compare_is_refused():
    statistics, profiles = measured()
    with pytest.raises(OptionError, match="same strategies"):
        dashboard.masks({"tube": statistics["tube"]}, profiles)
    with pytest.raises(OptionError, match="unknown statistic"):
        dashboard.masks(statistics, profiles, y="lift")
    plain = {name: {key: row[key] for key in row if key != "motion_lift"} for name, row in statistics.items()}
    with pytest.raises(OptionError, match="pass motion="):
        dashboard.masks(plain, profiles)
    other = measured(grid=TokenGrid(4, 3, 4))[1]
    with pytest.raises(ShapeError, match="one grid"):
        dashboard.masks(statistics, profiles | {"tube": other["tube"]})
