import numpy as np
import pytest
import torch

from mvkit import TokenGrid, viz
from mvkit.errors import ShapeError
from mvkit.inspect.similarity import frame_matrix, lag_curve

GRID = TokenGrid(3, 2, 5)


def test_features_of_several_encoders_become_matrices_and_curves_beside_the_static_clip():
    real, still = torch.randn(2, 2, 30, 4, generator=torch.Generator().manual_seed(0)).unbind()
    found = viz.similarity.of_features({"student": real}, GRID, static={"student": still}, row=1)
    assert torch.equal(found["steps"]["student"], frame_matrix(real, GRID)[1])
    assert torch.equal(found["static_curves"]["student"], lag_curve(frame_matrix(still, GRID))[1])
    _, data = viz.similarity.matrices(**found)
    assert "student, static clip" in data.alt


def test_one_colour_scale_holds_for_all_matrices():
    fig, data = viz.similarity.matrices(
        {"a": np.eye(2, dtype=np.float32), "b": np.full((2, 2), 3, np.float32)},
        {"a": np.ones(2, np.float32)},
        static={"b": np.full((2, 2), -1, np.float32)},
    )
    assert data.limits["cosine"] == [-1, 3]
    assert {image.get_clim() for axes in fig.axes for image in axes.images} == {(-1, 3)}


def test_a_static_clip_of_an_encoder_that_is_not_shown_is_refused():
    one = np.eye(2, dtype=np.float32)
    with pytest.raises(ShapeError, match="static ones of encoders in"):
        viz.similarity.matrices({"a": one}, {}, static={"b": one})


def test_a_step_whose_tokens_are_all_hidden_has_no_best_match():
    maps = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32)
    maps[1] = np.nan
    _, data = viz.similarity.query_maps(np.zeros((6, 16, 32, 3), np.uint8), {"video": maps}, (0, 1, 1))
    assert "video (" in data.alt and " - (" in data.alt
