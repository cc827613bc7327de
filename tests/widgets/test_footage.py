"""Footage: a file, an array or a sample, cut to one size; and what a masker may look at in a window of it."""

import numpy as np
import pytest
import torch

from mvkit import maskers
from mvkit.data import read_frames, shapes
from mvkit.data.shapes.writer import encode
from mvkit.errors import DataError, OptionError, ShapeError
from mvkit.inspect.masks import mask_statistics
from mvkit.maskers.motion import motion_map
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid
from mvkit.widgets.footage import BLOCK, Footage, Window, attended, fitted


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return shapes.render(3, shapes.ShapesSpec(frames=40, size=64))[0]


@pytest.fixture
def window(frames) -> Window:
    return Footage(frames, (32, 48)).window(0, 2, frames=8, patch=8)


def test_a_window_holds_the_frames_it_names_and_repeats_the_last_one_beyond_the_end(frames):
    window = Footage(frames, 64).window(30, 3, frames=6, tubelet=2, patch=8)
    assert np.array_equal(window.frames, frames[[30, 33, 36, 39, 39, 39]])
    assert window.repeated == 2 and window.grid == TokenGrid(3, 8, 8)
    assert Footage(frames, 64).window(24, 3, frames=6, patch=8).repeated == 0
    with pytest.raises(OptionError, match="starts at 0 to 39"):
        Footage(frames, 64).window(40)


def test_a_file_gives_the_frames_that_its_reader_gives(frames, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(encode(frames, 12))
    numbers = [BLOCK - 3, BLOCK - 1, BLOCK + 1, BLOCK + 3]  # from two blocks
    window = Footage(tmp_path / "clip.mp4", 64).window(BLOCK - 3, 2, frames=4, patch=8)
    assert np.array_equal(window.frames, read_frames(tmp_path / "clip.mp4", numbers))


def test_other_shapes_are_resized_until_they_cover_and_cut_around_the_middle():
    wide = np.zeros((2, 20, 60, 3), np.uint8)
    wide[:, :, 20:40] = 200
    assert (fitted(wide, 10, 10)[:, :, 1:-1] == 200).all()
    assert (fitted(wide, 20, 60) == wide).all()
    assert fitted(wide, 33, 7).shape == (2, 33, 7, 3)


def test_what_is_no_footage_is_refused_in_one_line(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        Footage(tmp_path / "nowhere.mp4")
    with pytest.raises(OptionError, match="1 to 8"):
        Footage(9)
    with pytest.raises(ShapeError, match="one clip"):
        Footage(np.zeros((2, 4, 8, 8, 3), np.uint8))


def test_its_code_makes_the_same_window(frames):
    for footage in (Footage(2, (32, 48)), Footage(frames, 64)):
        again = eval(footage.code, {"Footage": Footage, "clip": frames})
        assert np.array_equal(again.window(5, 2).frames, footage.window(5, 2).frames)


def test_a_window_knows_its_motion_contrast_and_flow(window):
    t, h, w = window.grid.shape
    assert window.video.shape == (1, 3, 8, 32, 48) and window.grid == TokenGrid(4, 4, 6)
    assert torch.equal(window.motion, motion_map(window.video, window.grid))
    cell = window.frames[2:4, 8:16, 16:24].mean(-1) / 255
    assert float(window.contrast.view(t, h, w)[1, 1, 2]) == pytest.approx(cell.std(), abs=1e-5)
    assert window.flow.shape == (1, t - 1, h, w, 2)
    assert Window(window.frames[:2], TokenGrid(1, 4, 6)).flow is None


def test_the_context_for_many_clips_has_the_motion_and_flow_of_the_one(window):
    one, many = window.context({"video"}), window.context({"video"}, batch=3)
    assert one.flow is None and torch.equal(one.video, window.video)
    assert torch.allclose(motion_map(many.video, window.grid), window.motion.expand(3, -1, -1), atol=1e-6)
    assert torch.equal(many.flow, window.flow.expand(3, -1, -1, -1, -1))


@pytest.mark.parametrize("name", maskers.available())
def test_every_masker_draws_from_the_context_of_one_clip_and_of_many_alike(name, window):
    masker = maskers.create(name, **({"side": 1} if name == "unit" else {}))
    small, generator = Footage(1, 64).window(0, 2, frames=8, patch=8), torch.Generator().manual_seed(0)
    for batch in (1, 5):
        context = small.context(masker.needs, small.contrast, batch=batch)
        mask = masker(small.grid, batch, generator=generator, context=context).primary
        assert mask_statistics(mask)["ratio"] == pytest.approx(1 - mask.visible_ids.shape[1] / small.grid.tokens)


def test_a_need_that_a_clip_does_not_answer_is_named(window):
    with pytest.raises(OptionError, match="needs attention"):
        window.context({"attention"})
    with pytest.raises(OptionError, match="needs depth"):
        window.context({"depth"}, window.contrast)


def test_an_encoder_of_another_size_attends_on_the_grid_of_the_window(window):
    torch.manual_seed(0)
    for encoder in (
        VideoViT(TokenGrid(2, 3, 5), tubelet=2, patch=8, width=24, depth=2, heads=2),
        VideoViT(TokenGrid(1, 3, 5), tubelet=1, patch=8, width=24, depth=2, heads=2, class_token=True),
    ):
        looked = attended(encoder.eval(), window.video, window.grid)
        assert looked.shape == window.motion.shape and float(looked.min()) >= 0 and float(looked.std()) > 0
