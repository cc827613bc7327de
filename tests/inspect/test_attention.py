import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import MaskError, OptionError, ShapeError
from mvkit.inspect import attention
from mvkit.maskers.base import TokenMask
from mvkit.models.vit import VideoViT

GRID = TokenGrid(2, 3, 5)
VISIBLE = torch.tensor([[0, 7, 12, 29], [3, 7, 20, 22]])
MASK = TokenMask.from_visible(VISIBLE, GRID)


def weights(count: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, count, count, generator=torch.Generator().manual_seed(0)).softmax(-1)


def test_query_attention_is_the_query_row_laid_out_on_the_grid():
    full = weights(30)
    got = attention.query_attention(full, GRID, (1, 2, 3), heads="all")
    assert got.shape == (2, 3, 2, 3, 5)
    for t, y, x in ((0, 0, 0), (1, 0, 4), (1, 2, 3)):
        assert torch.equal(got[:, :, t, y, x], full[:, :, 28, (t * 3 + y) * 5 + x])
    mean = attention.query_attention(full, GRID, (1, 2, 3))
    assert torch.allclose(mean, full[:, :, 28].mean(1).view(2, 2, 3, 5))
    assert torch.equal(attention.query_attention(full, GRID, (1, 2, 3), heads=2), got[:, 2])


def test_a_masked_map_is_nan_where_hidden_and_the_right_weight_where_visible():
    part = weights(4)
    got = attention.query_attention(part, GRID, GRID.place(7), mask=MASK, heads=0).flatten(1)
    assert torch.equal(got.isnan(), MASK.hidden)
    for row in range(2):
        for k, token in enumerate(VISIBLE[row].tolist()):
            assert got[row, token] == part[row, 0, 1, k]  # 7 is the second visible token of both rows
    assert torch.allclose(got.nansum(1), torch.ones(2))


def test_dropping_the_query_itself_renormalises_the_rest():
    part = weights(4)
    got = attention.query_attention(part, GRID, GRID.place(7), mask=MASK, heads=1, drop_self=True).flatten(1)
    want = part[0, 1, 1, 2] / (1 - part[0, 1, 1, 1])
    assert got[0, 7].isnan() and torch.allclose(got[0, 12], want)


def test_heads_are_fused_by_their_mean_least_or_largest_weight():
    full = weights(30)
    row = full[:, :, 28]
    for heads, want in (("min", row.min(1).values), ("max", row.max(1).values), (1, row[:, 1])):
        assert torch.equal(attention.query_attention(full, GRID, (1, 2, 3), heads=heads).flatten(1), want)


def test_maps_of_the_encoder_are_what_a_naive_softmax_gives():
    torch.manual_seed(0)
    encoder = VideoViT(GRID, tubelet=1, patch=4, width=24, depth=2, heads=3).eval()
    clips = torch.rand(2, 3, 2, 12, 20)
    with torch.no_grad():
        torch.nn.init.normal_(encoder.blocks[1].attn.q_bias)
        encoded = encoder(clips, MASK, layers=(1,), heads=(2,))
        got = attention.query_attention(encoded.attention(2), GRID, GRID.place(7), mask=MASK, heads=1).flatten(1)
        block = encoder.blocks[1]
        x = block.norm1(encoded.layers[1])[0]
        q_row, k_row = block.attn.qkv.weight[8:16], block.attn.qkv.weight[24 + 8 : 24 + 16]  # head 1 of 3, width 24
        q, k = x @ q_row.T + block.attn.q_bias[8:16], x @ k_row.T
    scores = [sum(float(a * b) for a, b in zip(q[1], k[j], strict=True)) / 8**0.5 for j in range(4)]
    want = torch.tensor(scores).softmax(0)
    assert torch.allclose(got[0, VISIBLE[0]], want, atol=1e-5)


def test_the_busiest_query_is_where_pixels_change():
    clips = torch.zeros(1, 3, 4, 12, 20)
    clips[0, :, 3, 4:8, 12:16] = 1.0  # step 1, row 1, column 3
    clips[0, :, 1, 0:4, 0:4] = 1.0  # step 0, and step 1 by its return
    assert attention.busiest_query(clips, GRID, step=0) == (0, 0, 0)
    clips[0, :, 2, 0:4, 0:4] = 1.0
    clips[0, :, 3, 0:4, 0:4] = 1.0
    assert attention.busiest_query(clips, GRID) == (1, 1, 3)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("per_step", [False, True])
def test_the_fewest_tokens_that_hold_a_share_are_found_one_by_one(share, per_step):
    maps = torch.rand(2, 3, *GRID.shape, generator=torch.Generator().manual_seed(0))
    got = attention.holding(maps, share, per_step=per_step)
    assert got.shape == maps.shape and got.dtype == torch.bool
    for found, values in zip(got.flatten(0, 1), maps.flatten(0, 1), strict=True):
        for chosen, part in zip(found, values, strict=True) if per_step else [(found, values)]:
            weights = sorted(part.flatten().tolist(), reverse=True)
            needed = 0
            while sum(weights[:needed]) < share * sum(weights) - 1e-9:
                needed += 1
            assert int(chosen.sum()) == needed
            assert sorted(part[chosen].tolist(), reverse=True) == weights[:needed]


def test_hidden_tokens_hold_nothing_and_equal_ones_go_in_order():
    values = torch.full((1, 1, 2, 5), 0.25)
    values[0, 0, 0, 0] = torch.nan
    got = attention.holding(values, 0.5)
    assert got.flatten().tolist() == [False] + [True] * 5 + [False] * 4  # 5 of the 9 seen
    assert not attention.holding(torch.full((1, 2, 1, 3), torch.nan), 0.6).any()
    with pytest.raises(OptionError, match="must lie in"):
        attention.holding(values, 1.5)


def test_asking_a_hidden_token_names_a_visible_one():
    with pytest.raises(MaskError, match=r"query \(0, 0, 0\) is hidden in clip 1: .* \(0, 0, 3\)"):
        attention.query_attention(weights(4), GRID, (0, 0, 0), mask=MASK)


def test_weights_heads_and_places_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="attention must be"):
        attention.query_attention(weights(4), GRID, (0, 0, 0))
    with pytest.raises(ShapeError, match="does not belong"):
        attention.query_attention(weights(4, batch=1), GRID, GRID.place(7), mask=MASK)
    with pytest.raises(OptionError, match="number below 3"):
        attention.query_attention(weights(30), GRID, (0, 0, 0), heads=3)
    with pytest.raises(ShapeError, match="outside"):
        attention.query_attention(weights(30), GRID, (2, 0, 0))
