import numpy as np
import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.attention_distance import attention_distance
from mvkit.inspect.query_keys import QueryKeys
from mvkit.viz import heads

GRID = TokenGrid(2, 3, 5)
CLIP = np.full((4, 6, 10, 3), 200, np.uint8)
MAPS = np.random.default_rng(0).random((2, 2, 3, 5), dtype=np.float32)  # 2 heads


def shown(fig) -> list[np.ndarray]:
    """The heat maps, row by row; the colour bar comes last."""
    return [axes.images[0].get_array() for axes in fig.axes if axes.images and axes.images[0].get_array().ndim == 2]


def test_a_row_a_block_and_a_column_a_head_in_multiples_of_uniform():
    fig, data = heads.grid(CLIP, {"block 1": MAPS, "block 2": 2 * MAPS}, (1, 0, 4))
    found = shown(fig)
    assert np.allclose(found[1], MAPS[1, 1] * 30) and np.allclose(found[2], 2 * MAPS[0, 1] * 30)
    assert {"head 1", "head 2", "step 2", "block 2"} <= {text.get_text() for text in fig.texts}
    assert "token in row 1, column 5 of step 2" in data.alt and f"{MAPS[0, 1].max() * 30:.2g}" in data.alt


def test_without_a_query_the_mean_over_the_steps_that_see_a_place_is_shown():
    part = MAPS.copy()
    part[:, 0, 0] = np.nan
    part[:, :, 2, 4] = np.nan
    found = shown(heads.grid(CLIP, {"block 3": part})[0])
    count = np.isfinite(part[0]).sum()
    assert np.allclose(found[0][0, :4], part[0, 1, 0, :4] * count)
    assert np.allclose(found[0][1], (part[0, 0, 1] + part[0, 1, 1]) / 2 * count)
    assert np.ma.getmaskarray(found[0])[2, 4]


def test_tokens_are_marked_in_a_step_and_not_in_a_mean():
    marked = {"block 1": np.ones((2, 2, 3, 5), bool)}
    fig, _ = heads.grid(CLIP, {"block 1": MAPS}, step=0, marked=marked)
    assert sum(bool(axes.collections) for axes in fig.axes[:3]) == 2
    with pytest.raises(OptionError, match="marked in one step"):
        heads.grid(CLIP, {"block 1": MAPS}, marked=marked)


def test_maps_and_steps_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="alike"):
        heads.grid(CLIP, {"a": MAPS, "b": MAPS[:1]})
    with pytest.raises(ShapeError, match="alike"):
        heads.grid(CLIP, {})
    with pytest.raises(OptionError, match="step 2 is outside"):
        heads.grid(CLIP, {"a": MAPS}, step=2)


def reach(seed: int):
    generator = torch.Generator().manual_seed(seed)
    blocks = {n: QueryKeys(*torch.randn(2, 2, 3, 30, 8, generator=generator), GRID) for n in (2, 5)}
    return attention_distance(blocks, patch=4, tubelet=2, fps=25.0)


def test_a_dot_a_head_a_line_at_their_mean_and_a_dotted_line_at_uniform():
    found = {"untrained": reach(0), "VideoMAE": reach(1)}
    fig, data = heads.distances(**heads.of_distances(found))
    panels = {axes.get_title(loc="left"): axes for axes in fig.axes}
    assert list(panels) == list(heads.PANELS.values())
    dots, mean, *_ = panels["distance, seconds"].lines
    want = found["untrained"].time.mean(1)  # over clips
    assert np.allclose(dots.get_ydata(), want.flatten()) and np.allclose(mean.get_ydata(), want.mean(1))
    assert np.round(mean.get_xdata()).tolist() == [2, 5]
    levels = [line.get_ydata()[0] for line in panels["share in other steps"].lines[4:]]
    assert np.allclose(levels, 0.5)
    assert f"{float(want[0].mean()):.3g} to {float(want[1].mean()):.3g}" in data.alt


def test_an_image_encoder_has_no_time_and_is_drawn():
    block = QueryKeys(*torch.randn(2, 4, 3, 15, 8), TokenGrid(1, 3, 5), steps=2)
    found = attention_distance({1: block}, patch=4, fps=25.0)
    _, data = heads.distances(**heads.of_distances({"image": found}), venue="cvpr-column")
    assert "distance, seconds 0 to 0" in data.alt


def test_an_image_encoder_is_left_out_of_the_panels_of_time_beside_a_video_encoder():
    block = QueryKeys(*torch.randn(2, 4, 3, 15, 8), TokenGrid(1, 3, 5), steps=2)
    image = attention_distance({2: block, 5: block}, patch=4, fps=25.0)
    fig, _ = heads.distances(**heads.of_distances({"image": image, "video": [reach(0), reach(1)]}))
    panels = {axes.get_title(loc="left"): axes for axes in fig.axes}
    lines = {title: len(axes.lines) for title, axes in panels.items()}
    assert lines["distance, seconds"] == lines["share in other steps"] == 3 < lines["entropy / uniform"]
    assert panels["distance, seconds"].get_ylim()[0] > 0


def test_several_clips_weigh_the_same():
    joined = heads.of_distances({"video": [reach(0), reach(1)]})["values"]["video"]["space"]
    want = torch.cat([reach(0).space, reach(1).space], dim=1).mean(1)
    assert np.allclose(joined, want)


def test_distances_without_blocks_and_heads_are_refused():
    with pytest.raises(ShapeError, match=r"\(blocks, heads\)"):
        heads.distances({"a": {"space": np.zeros(3)}})
    with pytest.raises(ShapeError, match="need model"):
        heads.distances({})
