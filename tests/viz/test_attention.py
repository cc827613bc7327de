import numpy as np
import pytest
import torch

from mvkit import TokenGrid, viz
from mvkit.errors import OptionError, ShapeError
from mvkit.maskers.base import TokenMask
from mvkit.viz.attention import _share

GRID = TokenGrid(2, 3, 5)
CLIP = np.full((4, 6, 10, 3), 200, np.uint8)


def test_a_sampled_mask_is_told_with_the_attention_that_falls_on_what_it_shows():
    attention = torch.ones(1, 2, 15)
    attention[0, 0, 0] = 16  # over half of its step
    mask = TokenMask.from_visible(torch.tensor([[0, 15]]), GRID)
    _, data = viz.attention.sampled(CLIP, attention, {"draw 1": mask})
    # Each step weighs the same: (16/30 + 1/15) / 2 of the attention on 2 of 30 tokens.
    assert "draw 1 7% of tokens, 30% of attention" in data.alt
    assert data.arrays["masks/draw 1"].shape == (1, 2, 3, 5)


def test_attention_of_another_grid_is_refused():
    mask = TokenMask.from_visible(torch.tensor([[0, 15]]), GRID)
    with pytest.raises(ShapeError, match="as the masks are"):
        viz.attention.sampled(CLIP, torch.ones(1, 2, 14), {"draw 1": mask})


def test_kept_tokens_are_counted_by_step_and_hidden_ones_are_not_among_them():
    kept = np.full(GRID.shape, np.nan, np.float32)
    kept[:, 0] = 0
    kept[0, 0, :3] = 1
    _, data = viz.attention.kept(CLIP, {"global": kept}, query=(1, 0, 4))
    assert "visible 10 of 30" in data.alt and "global 3 of 10, 0 to 3 a step" in data.alt
    assert _share(kept[:1] > 0, np.isfinite(kept[:1])) == "3 of 5\n3 a step"


def texts(fig) -> list[str]:
    return [text.get_text() for text in fig.texts]


def test_maps_of_different_grids_stand_on_one_film_each_in_multiples_of_its_own_uniform():
    clip = np.zeros((8, 12, 20, 3), np.uint8)
    video, image = np.full((2, 3, 5), 1 / 30, np.float32), np.full((4, 2, 2), 1 / 16, np.float32)
    fig, data = viz.attention.query_maps(clip, {"video": video, "image": image}, (1, 2, 4))
    shown = [axes.images[0].get_array() for axes in fig.axes if axes.images and axes.images[0].get_array().ndim == 2]
    shown = shown[:8]  # the colour bar holds an image too
    assert {values.shape for values in shown} == {(6, 10)} and np.allclose(np.stack(shown), 1)
    assert "step 1" in texts(fig) and "4" in texts(fig) and "5" not in texts(fig)
    assert "video: 50%, image: 25%" in data.alt  # step 2 of 2 begins with the third of 4


def test_each_row_has_its_own_scale_when_asked_and_says_its_limits():
    maps = {"weak": np.full(GRID.shape, 0.5 / 30, np.float32), "strong": np.full(GRID.shape, 4 / 30, np.float32)}
    fig, data = viz.attention.query_maps(CLIP, maps, (0, 0, 0), scale="row")
    assert data.limits == {"weak": [0, pytest.approx(0.5)], "strong": [0, pytest.approx(4)]}
    assert "0 to 0.5" in texts(fig) and "0 to 4" in texts(fig) and "× uniform" not in texts(fig)
    _, data = viz.attention.query_maps(CLIP, maps, (0, 0, 0))
    assert data.limits == {"attention": [0, pytest.approx(4)]}
    with pytest.raises(OptionError, match="shared or row"):
        viz.attention.query_maps(CLIP, maps, (0, 0, 0), scale="own")


def test_a_map_that_no_token_asked_has_no_query_and_tokens_that_hold_its_mass_are_outlined():
    map_ = np.full(GRID.shape, 1 / 30, np.float32)
    marked = np.zeros(GRID.shape, bool)
    marked[1, 0, 2] = True
    fig, data = viz.attention.query_maps(CLIP, {"class token": map_}, marked={"class token": marked})
    assert "clip" in texts(fig) and "clip and query" not in texts(fig) and "of no one token" in data.alt
    outlined = [sum(len(lines.get_segments()) for lines in axes.collections) for axes in fig.axes[2:4]]
    assert outlined == [0, 8]  # four sides, cased


def test_a_map_hidden_everywhere_is_drawn_and_told_as_none():
    maps = {"seen": np.full(GRID.shape, 1 / 30, np.float32), "hidden": np.full(GRID.shape, np.nan, np.float32)}
    _, data = viz.attention.query_maps(CLIP, maps, (0, 1, 2))
    assert "seen: 50%, hidden: none" in data.alt


def test_the_step_of_the_query_is_shown_however_few_columns_there_are():
    map_ = np.random.default_rng(0).random((8, 2, 2), dtype=np.float32)
    clip = np.zeros((8, 4, 4, 3), np.uint8)
    fig, _ = viz.attention.query_maps(clip, {"all": map_}, (2, 0, 1), columns=3)
    assert [text.get_text() for text in fig.texts if text.get_text().strip("step ").isdigit()] == ["step 1", "3", "8"]
