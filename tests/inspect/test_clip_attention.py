import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import MaskError, OptionError, ShapeError
from mvkit.inspect.clip_attention import ClipAttention
from mvkit.inspect.query_keys import QueryKeys, query_keys
from mvkit.inspect.rollout import rollout
from mvkit.maskers.base import TokenMask
from mvkit.models.vit import VideoViT

GRID = TokenGrid(2, 3, 5)
CLIP = torch.rand(1, 3, 2, 12, 20, generator=torch.Generator().manual_seed(0))
MASK = TokenMask.from_visible(torch.tensor([[0, 7, 12, 29]]), GRID)


def video(class_token: bool = False, grid: TokenGrid = GRID) -> VideoViT:
    torch.manual_seed(0)
    return VideoViT(grid, tubelet=1, patch=4, width=24, depth=3, heads=3, class_token=class_token).eval()


def same(got: torch.Tensor, want: torch.Tensor) -> bool:
    return got.shape == want.shape and torch.allclose(got, want, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("mask", [None, MASK])
def test_its_maps_are_those_of_queries_and_keys(mask):
    seen, found = ClipAttention(video(True), CLIP, mask=mask), query_keys(video(True), CLIP, (1, 2, 3), mask=mask)
    token = GRID.place(7)
    for heads in ("mean", "max", "all", 1):
        assert same(seen.map(2, token, heads=heads), found[2].query_map(token, heads=heads)[0])
        assert same(seen.map(3, "class", heads=heads), found[3].class_map(heads=heads)[0])
        assert same(seen.map(1, None, heads=heads), found[1].received(heads=heads)[0])
    assert same(seen.map(2, token, drop_self=True), found[2].query_map(token, drop_self=True)[0])
    for who in (token, "class", None):
        first = {1: found[1], 2: found[2]}
        assert same(seen.rollout(2, who, fusion="max", discard=0.5), rollout(first, who, fusion="max", discard=0.5)[0])


def test_the_encoder_runs_once_and_what_all_tokens_receive_is_computed_once(monkeypatch):
    encoder, runs, whole = video(), [], []
    encoder.register_forward_hook(lambda *_: runs.append(1))
    received = QueryKeys.received
    monkeypatch.setattr(QueryKeys, "received", lambda *a, **k: whole.append(1) or received(*a, **k))
    seen = ClipAttention(encoder, CLIP)
    for block in (1, 2, 1):
        seen.map(block, (1, 2, 3))
        seen.map(block, None, heads="max")
        seen.rollout(block, (0, 0, 0))
    assert len(runs) == 1 and len(whole) == 2


def test_a_rollout_without_the_query_itself_sums_to_1_over_the_rest():
    whole = ClipAttention(video(), CLIP).rollout(3, (1, 0, 4))
    rest = ClipAttention(video(), CLIP).rollout(3, (1, 0, 4), drop_self=True)
    assert rest[1, 0, 4].isnan() and rest.isnan().sum() == 1
    assert torch.allclose(rest[0], whole[0] / (1 - whole[1, 0, 4]))


def test_a_hidden_token_is_known_as_such():
    seen = ClipAttention(video(), CLIP, mask=MASK)
    assert seen.hides((0, 0, 1)) and not seen.hides(GRID.place(7)) and not ClipAttention(video(), CLIP).hides((0, 0, 1))
    with pytest.raises(MaskError, match="is hidden in clip 0"):
        seen.map(1, (0, 0, 1))
    with pytest.raises(ShapeError, match="outside"):
        seen.hides((2, 0, 0))


def test_the_nearest_visible_token_and_the_token_of_another_grid_are_found():
    seen = ClipAttention(video(), CLIP, mask=MASK)  # (0, 0, 0), (0, 1, 2), (0, 2, 2) and (1, 2, 4) are visible
    assert seen.nearest_visible((0, 1, 2)) == (0, 1, 2) and seen.nearest_visible((1, 1, 1)) == (0, 1, 2)
    assert seen.nearest_visible((0, 0, 1)) == (0, 0, 0) and seen.nearest_visible((1, 2, 3)) == (1, 2, 4)
    assert ClipAttention(video(), CLIP).nearest_visible((1, 1, 1)) == (1, 1, 1)
    nothing = TokenMask(torch.ones(1, 30, dtype=torch.bool), GRID)
    with pytest.raises(MaskError, match="shows nothing"):
        ClipAttention(video(), CLIP, mask=nothing).nearest_visible((0, 0, 0))
    assert seen.near((3, 13, 0), TokenGrid(4, 14, 7)) == (1, 2, 0) and seen.near((0, 0, 3), TokenGrid(1, 1, 7)) == (
        1,
        1,
        2,
    )
    with pytest.raises(ShapeError, match="outside"):
        seen.near((4, 0, 0), TokenGrid(4, 14, 7))


def test_an_image_encoder_sees_so_many_frames_and_no_mask():
    clip = torch.rand(1, 3, 6, 12, 20)
    seen = ClipAttention(video(grid=TokenGrid(1, 3, 5)), clip, steps=3)
    assert seen.grid == TokenGrid(3, 3, 5) and seen.map(1, (2, 0, 0))[:2].isnan().all()
    with pytest.raises(ShapeError, match="without a mask"):
        ClipAttention(video(grid=TokenGrid(1, 3, 5)), clip, mask=MASK)


def test_its_reach_is_in_pixels_of_the_encoder_and_in_seconds():
    seen = ClipAttention(video(), CLIP)
    far = torch.zeros(2, 3, 5)
    far[1, 2, 4] = 1
    got = seen.reach(far, (0, 2, 0), step=0.5)
    assert (float(got.space), float(got.time), float(got.other_steps)) == (16, 0.5, 1)
    assert seen.reach(far, None, step=0.5).space.isnan()


def test_blocks_and_clips_that_are_not_there_are_refused():
    with pytest.raises(OptionError, match="block 4 does not exist"):
        ClipAttention(video(), CLIP).map(4, None)
    with pytest.raises(OptionError, match="block 0 does not exist"):
        ClipAttention(video(), CLIP).rollout(0, None)
    with pytest.raises(ShapeError, match="one clip"):
        ClipAttention(video(), CLIP[0])
