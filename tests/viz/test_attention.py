import numpy as np
import pytest
import torch

from mvkit import TokenGrid, viz
from mvkit.errors import ShapeError
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


def test_the_step_of_the_query_is_shown_however_few_columns_there_are():
    map_ = np.random.default_rng(0).random((8, 2, 2), dtype=np.float32)
    clip = np.zeros((8, 4, 4, 3), np.uint8)
    fig, _ = viz.attention.query_maps(clip, {"all": map_}, (2, 0, 1), columns=3)
    assert [text.get_text() for text in fig.texts if text.get_text().strip("step ").isdigit()] == ["step 1", "3", "8"]
