import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import MaskError, OptionError, ShapeError
from mvkit.inspect import query_keys as module
from mvkit.inspect.query_keys import query_keys
from mvkit.inspect.rollout import rollout
from mvkit.maskers.base import TokenMask
from mvkit.models.vit import VideoViT

GRID = TokenGrid(2, 3, 5)
MASK = TokenMask.from_visible(torch.tensor([[0, 7, 12, 29], [3, 7, 20, 22]]), GRID)
CLIPS = torch.rand(2, 3, 2, 12, 20, generator=torch.Generator().manual_seed(0))


def blocks(class_token: bool = False, grid: TokenGrid = GRID, **options):
    torch.manual_seed(0)
    encoder = VideoViT(grid, tubelet=1, patch=4, width=24, depth=3, heads=3, class_token=class_token).eval()
    for block in encoder.blocks:
        torch.nn.init.normal_(block.attn.qkv.weight, std=0.5)
    return query_keys(encoder, CLIPS, (1, 2, 3), **options)


def naive(found, fusion: str, residual: float, discard: float = 0.0) -> torch.Tensor:
    """The published product of matrices, (G, K, K) float64."""
    product = None
    for number in sorted(found):
        whole = torch.cat([rows for _, rows in found[number].rows()], dim=2).double()
        fused = {"mean": whole.mean(1), "min": whole.min(1).values, "max": whole.max(1).values}[fusion]
        for row in fused.flatten(0, 1):
            for weak in sorted(range(len(row)), key=lambda place: float(row[place]))[: int(discard * len(row))]:
                row[weak] = 0
        step = (1 - residual) * fused + residual * torch.eye(fused.shape[-1], dtype=torch.float64)
        for clip in step:
            for row in clip:
                row /= row.sum()
        product = step if product is None else step @ product
    return product


def close(got: torch.Tensor, want: torch.Tensor) -> bool:
    return got.shape == want.shape and torch.allclose(got.double(), want, atol=1e-6, rtol=0)


@pytest.mark.parametrize("fusion", ["mean", "min", "max"])
@pytest.mark.parametrize("class_token", [False, True])
def test_rollout_is_a_row_of_the_product_of_matrices(fusion, class_token, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2 * 3 * 31 * 7)  # rows in several pieces
    found, first = blocks(class_token), int(class_token)
    want = naive(found, fusion, 0.5)[..., first:]
    assert close(rollout(found, (1, 2, 3), fusion=fusion), want[:, first + 28].unflatten(-1, GRID.shape))
    assert close(rollout(found, fusion=fusion), want[:, first:].mean(1).unflatten(-1, GRID.shape))
    if class_token:
        assert close(rollout(found, "class", fusion=fusion), want[:, 0].unflatten(-1, GRID.shape))


def test_a_masked_rollout_is_nan_where_hidden():
    found = blocks(mask=MASK)
    got = rollout(found, GRID.place(7), residual=0.3).flatten(1)
    assert torch.equal(got.isnan(), MASK.hidden)
    assert close(got.gather(1, MASK.visible_ids), naive(found, "mean", 0.3)[:, 1])
    assert torch.allclose(got.nansum(1), torch.ones(2))


def test_rollout_of_an_image_encoder_stays_in_its_frame():
    found = blocks(class_token=True, grid=TokenGrid(1, 3, 5))
    want = naive(found, "mean", 0.5)[..., 1:].unflatten(0, (2, 2))  # (B, t, K, places)
    got = rollout(found, (1, 0, 4))
    assert got[:, 0].isnan().all() and close(got[:, 1], want[:, 1, 1 + 4].unflatten(-1, (3, 5)))
    assert close(rollout(found, "class"), want[:, :, 0].unflatten(-1, (3, 5)) / 2)


@pytest.mark.parametrize("class_token", [False, True])
def test_the_weakest_weights_of_every_row_are_discarded(class_token):
    found, first = blocks(class_token), int(class_token)
    want = naive(found, "max", 0.4, 0.7)[..., first:]
    got = rollout(found, (0, 1, 4), fusion="max", residual=0.4, discard=0.7)
    assert close(got, want[:, first + 9].unflatten(-1, GRID.shape))
    assert close(
        rollout(found, fusion="max", residual=0.4, discard=0.7), want[:, first:].mean(1).unflatten(-1, (2, 3, 5))
    )


@pytest.mark.parametrize("grid", [GRID, TokenGrid(1, 3, 5)])
def test_kept_matrices_give_the_same_for_every_query_of_every_view(grid):
    found, kept = blocks(class_token=True, grid=grid), {}
    for query in ((0, 0, 0), (1, 2, 4), "class", None, (1, 0, 1), (0, 2, 2)):
        got, want = rollout(found, query, kept=kept), rollout(found, query)
        assert torch.allclose(got, want, atol=1e-7, equal_nan=True), query
    assert len(kept) == (3 if grid is GRID else 9)  # of a video encoder whole; of images each frame, and all at once


def test_with_everything_skipping_the_blocks_a_token_comes_from_itself():
    got = rollout(blocks(), (0, 2, 1), residual=1.0)
    assert got.flatten(1).argmax(1).tolist() == [11, 11] and torch.equal(got.sum((1, 2, 3)), torch.ones(2))


def test_what_cannot_be_rolled_out_is_refused():
    found = blocks(mask=MASK)
    with pytest.raises(OptionError, match=r"consecutive blocks, got \[1, 3\]"):
        rollout({1: found[1], 3: found[3]})
    with pytest.raises(OptionError, match="fusion must be"):
        rollout(found, fusion="sum")
    with pytest.raises(OptionError, match=r"residual in \[0, 1\]"):
        rollout(found, residual=1.5)
    with pytest.raises(OptionError, match=r"discard in \[0, 1\)"):
        rollout(found, discard=1.0)
    with pytest.raises(OptionError, match="query must be"):
        rollout(found, "cls")
    with pytest.raises(ShapeError, match="no class token"):
        rollout(found, "class")
    with pytest.raises(MaskError, match="hidden in clip 1"):
        rollout(found, (0, 0, 0))
    with pytest.raises(ShapeError, match="other clips or tokens"):
        rollout({1: blocks()[1], 2: found[2]})
