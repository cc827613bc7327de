import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import OptionError, ShapeError
from mvkit.inspect import similarity
from mvkit.inspect.clip_features import ClipFeatures
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import patchify

GRID = TokenGrid(3, 2, 5)
CLIP = torch.rand(1, 3, 6, 8, 20, generator=torch.Generator().manual_seed(0))


def encoder(grid: TokenGrid = GRID, tubelet: int = 2) -> VideoViT:
    torch.manual_seed(1)
    return VideoViT(grid, tubelet=tubelet, patch=4, width=24, depth=2, heads=3).eval()


@pytest.mark.parametrize("centred", [True, False])
def test_maps_and_matrices_are_those_of_the_features_of_that_layer(centred):
    video = encoder()
    kept = ClipFeatures(video, CLIP, GRID)
    with torch.no_grad():
        layers = video(CLIP, layers=(1, 2)).layers
    for number in (1, 2):
        want = similarity.query_map(layers[number], GRID, (2, 1, 3), centred=centred)[0]
        assert torch.allclose(kept.query_map(number, (2, 1, 3), centred=centred), want, atol=1e-6)
        for kind in similarity.MATRICES:
            want = similarity.frame_matrix(layers[number], GRID, kind=kind, centred=centred)[0]
            assert torch.allclose(kept.matrix(number, kind=kind, centred=centred), want, atol=1e-6)


def test_controls_are_the_static_clip_and_other_orders_of_the_steps():
    video = encoder()
    kept = ClipFeatures(video, CLIP, GRID, shuffles=2, seed=5)
    with torch.no_grad():
        still = video(similarity.static_clip(CLIP), layers=(2,)).layers[2]
        orders = torch.Generator().manual_seed(5)
        mixed = similarity.shuffled_clip(CLIP.expand(2, -1, -1, -1, -1), generator=orders, tubelet=2)
        other = video(mixed, layers=(2,)).layers[2]
    assert torch.allclose(kept.static(2), similarity.frame_matrix(still, GRID)[0], atol=1e-6)
    assert torch.allclose(kept.shuffled(2), similarity.frame_matrix(other, GRID), atol=1e-6)


def test_an_image_encoder_says_the_same_of_every_frame_of_a_static_clip():
    frames = Teacher(encoder(TokenGrid(1, 2, 5), tubelet=1))
    kept = ClipFeatures(frames, CLIP, GRID)
    assert kept.grid == GRID and torch.allclose(kept.static(2), torch.ones(3, 3), atol=1e-6)
    assert sorted(kept.shuffled(1)[0].flatten().tolist()) == pytest.approx(sorted(kept.matrix(1).flatten().tolist()))


def test_a_teacher_may_have_places_of_its_own_and_half_precision():
    frames = Teacher(encoder(TokenGrid(1, 3, 4), tubelet=1))
    assert ClipFeatures(frames, CLIP, GRID).query_map(1, (2, 2, 3)).shape == (3, 3, 4)
    half = ClipFeatures(Teacher(encoder().bfloat16()), CLIP.bfloat16(), GRID)
    whole = ClipFeatures(encoder(), CLIP, GRID)
    assert half.matrix(2).dtype == torch.float32
    assert torch.allclose(half.matrix(2), whole.matrix(2), atol=0.05)


def test_pixels_and_clips_of_one_step_are_kept_too():
    kept = ClipFeatures(None, CLIP, GRID)
    want = similarity.query_map(patchify(CLIP, tubelet=2, patch=4), GRID, (1, 0, 4))[0]
    assert kept.depth == 1 and torch.allclose(kept.query_map(1, (1, 0, 4)), want, atol=1e-6)
    one = ClipFeatures(encoder(TokenGrid(1, 2, 5)), CLIP[:, :, :2], TokenGrid(1, 2, 5))
    assert one.matrix(1).shape == (1, 1) and one.query_map(2, (0, 1, 1))[0, 1, 1] == pytest.approx(1)


def test_it_encodes_once_and_the_controls_only_when_asked():
    calls = []
    video = encoder()
    video.register_forward_hook(lambda *_: calls.append(1))
    kept = ClipFeatures(video, CLIP, GRID)
    kept.query_map(1, (0, 0, 0)), kept.matrix(2), kept.matrix(1, kind="pooled")
    assert len(calls) == 1
    kept.static(1), kept.shuffled(2)
    assert len(calls) == 2


def test_other_blocks_steps_and_clips_are_refused():
    kept = ClipFeatures(encoder(), CLIP, GRID)
    for ask in (kept.layer, kept.matrix, kept.static, kept.shuffled):
        with pytest.raises(OptionError, match="blocks 1 to 2"):
            ask(3)
    with pytest.raises(OptionError, match="blocks 1 to 2"):
        kept.query_map(0, (0, 0, 0))
    with pytest.raises(ShapeError):
        kept.query_map(1, (3, 0, 0))
    with pytest.raises(ShapeError, match="has 3 steps"):
        ClipFeatures(encoder(), CLIP, TokenGrid(2, 2, 5))
    with pytest.raises(ShapeError, match="one clip"):
        ClipFeatures(encoder(), CLIP.expand(2, -1, -1, -1, -1), GRID)
