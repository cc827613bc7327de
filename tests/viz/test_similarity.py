import numpy as np
import pytest
import torch

from mvkit import TokenGrid, viz
from mvkit.errors import ShapeError
from mvkit.inspect.similarity import frame_matrix

GRID = TokenGrid(3, 2, 5)


def test_matrices_of_many_clips_are_shown_by_their_means():
    many = frame_matrix(torch.randn(4, 30, 6, generator=torch.Generator().manual_seed(1)), GRID, kind="matched")
    found = viz.similarity.of_matrices({"student": many})
    assert torch.allclose(found["steps"]["student"], sum(many) / 4) and not found["static"]
    assert found["curves"]["student"][2] == pytest.approx(float((many[:, 0, 2] + many[:, 2, 0]).mean() / 2))


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


MAPS = {
    "pixels": np.linspace(-0.5, 0.4, 30, dtype=np.float32).reshape(3, 2, 5),
    "student": np.linspace(0.9, 1, 72, dtype=np.float32).reshape(3, 4, 6),
}


def test_limits_of_centred_features_are_symmetric_and_of_raw_ones_span_the_values():
    shared = viz.similarity.colour_limits(MAPS)
    assert shared["pixels"] == shared["student"] and shared["student"][0] == -shared["student"][1]
    own = viz.similarity.colour_limits(MAPS, shared=False)
    assert own["pixels"] == pytest.approx((-0.5, 0.5), abs=0.01) and own["student"] == pytest.approx((-1, 1), abs=0.01)
    raw = viz.similarity.colour_limits(MAPS, shared=False, signed=False)
    assert raw["student"] == pytest.approx((0.9, 1), abs=0.01) and raw["pixels"] == pytest.approx((-0.5, 0.4), abs=0.01)
    assert viz.similarity.colour_limits(MAPS, signed=False)["student"] == pytest.approx((-0.48, 1), abs=0.03)


def test_rows_may_have_colours_and_places_of_their_own():
    fig, data = viz.similarity.query_maps(
        np.zeros((6, 16, 32, 3), np.uint8), MAPS, (1, 0, 4), shared=False, signed=False
    )
    scales = [image.get_clim() for axes in fig.axes for image in axes.images if image.get_array().shape == (4, 6)]
    assert len(scales) == 3 and set(scales) == {tuple(data.limits["student"])}
    assert "student (4,6) (4,6) (4,6)" in data.alt and "pixels (2,5)" in data.alt
    with pytest.raises(ShapeError):
        viz.similarity.query_maps(np.zeros((6, 16, 32, 3), np.uint8), MAPS, (1, 2, 4))  # outside the first map's grid
