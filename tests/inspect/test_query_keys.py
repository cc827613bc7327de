import math

import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import MaskError, OptionError, ShapeError
from mvkit.inspect import query_keys as module
from mvkit.inspect.query_keys import query_keys
from mvkit.maskers.base import TokenMask
from mvkit.models.teachers import Teacher
from mvkit.models.timm_encoder import timm_encoder
from mvkit.models.vit import VideoViT

GRID = TokenGrid(2, 3, 5)
FRAME = TokenGrid(1, 3, 5)
VISIBLE = torch.tensor([[0, 7, 12, 29], [3, 7, 20, 22]])
MASK = TokenMask.from_visible(VISIBLE, GRID)
CLIPS = torch.rand(2, 3, 2, 12, 20, generator=torch.Generator().manual_seed(0))


def video(class_token: bool = False, grid: TokenGrid = GRID) -> VideoViT:
    torch.manual_seed(0)
    encoder = VideoViT(grid, tubelet=1, patch=4, width=24, depth=3, heads=3, class_token=class_token).eval()
    for block in encoder.blocks:
        torch.nn.init.normal_(block.attn.q_bias)
    return encoder


@torch.no_grad()
def naive(encoder: VideoViT, clips: torch.Tensor, number: int, mask: TokenMask | None = None) -> torch.Tensor:
    """(B, heads, K, K) float64, one query, key and head at a time, from the weights of the encoder."""
    x = encoder.embed(clips, mask)
    if encoder.class_token is not None:
        x = torch.cat([encoder.class_token.expand(len(x), -1, -1), x], dim=1)
    for block in encoder.blocks[: number - 1]:
        x = block(x)[0]
    block, width = encoder.blocks[number - 1], encoder.width // encoder.heads
    x = block.norm1(x).double()
    weight = block.attn.qkv.weight.double()
    found = torch.zeros(len(x), encoder.heads, x.shape[1], x.shape[1], dtype=torch.float64)
    for b, clip in enumerate(x):
        for head in range(encoder.heads):
            rows = slice(head * width, (head + 1) * width)
            q = clip @ weight[:24][rows].T + block.attn.q_bias.double()[rows]
            k = clip @ weight[24:48][rows].T
            for i in range(len(clip)):
                powers = torch.stack([torch.exp((q[i] * k[j]).sum() / width**0.5) for j in range(len(clip))])
                found[b, head, i] = powers / powers.sum()
    return found


def close(got: torch.Tensor, want: torch.Tensor) -> bool:
    return got.shape == want.shape and torch.allclose(got.double(), want.double(), atol=1e-6, rtol=0, equal_nan=True)


@pytest.mark.parametrize("class_token", [False, True])
@pytest.mark.parametrize("number", [1, 3])
def test_maps_equal_a_naive_softmax(class_token, number):
    encoder = video(class_token)
    first = int(class_token)
    want = naive(encoder, CLIPS, number)[..., first:]
    got = query_keys(encoder, CLIPS, (number,))[number]
    assert close(got.query_map((1, 2, 3), heads="all"), want[:, :, first + 28].unflatten(-1, GRID.shape))
    assert close(got.query_map((0, 1, 4)), want[:, :, first + 9].mean(1).unflatten(-1, GRID.shape))
    assert close(got.received(), want[:, :, first:].mean((1, 2)).unflatten(-1, GRID.shape))
    if class_token:
        assert close(got.class_map(heads=2), want[:, 2, 0].unflatten(-1, GRID.shape))


@pytest.mark.parametrize("class_token", [False, True])
def test_masked_maps_equal_a_naive_softmax_and_are_nan_where_hidden(class_token):
    encoder = video(class_token)
    first = int(class_token)
    want = naive(encoder, CLIPS, 2, MASK)[..., first:]
    got = query_keys(encoder, CLIPS, (2,), mask=MASK)[2]
    maps = {
        "query": (got.query_map(GRID.place(7), heads=1), want[:, 1, first + 1]),  # 7 is the second visible of both
        "received": (got.received(), want[:, :, first:].mean((1, 2))),
    }
    if class_token:
        maps["class"] = got.class_map(), want[:, :, 0].mean(1)
    for found, values in maps.values():
        assert torch.equal(found.flatten(1).isnan(), MASK.hidden)
        assert close(found.flatten(1).gather(1, VISIBLE), values)


def test_rows_in_small_pieces_are_the_whole_matrix(monkeypatch):
    whole = query_keys(video(True), CLIPS, (2,))[2]
    wanted, received = naive(video(True), CLIPS, 2), whole.received()
    monkeypatch.setattr(module, "CHUNK", 2 * 3 * 31 * 7)
    parts = list(whole.rows())
    assert [rows.shape[2] for _, rows in parts] == [7, 7, 7, 7, 3]
    assert close(torch.cat([rows for _, rows in parts], dim=2), wanted)
    assert torch.allclose(whole.received(), received, atol=1e-7)


def test_the_query_left_out_is_nan_and_the_rest_sums_to_1():
    got = query_keys(video(True), CLIPS, (1,))[1].query_map((1, 2, 3), drop_self=True)
    assert got[:, 1, 2, 3].isnan().all() and got.isnan().sum() == 2
    assert torch.allclose(got.nansum((1, 2, 3)), torch.ones(2))


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_image_encoder_is_asked_frame_by_frame_and_sees_no_other_frame(wrapped):
    encoder = video(class_token=True, grid=FRAME)
    got = query_keys(Teacher(encoder) if wrapped else encoder, CLIPS, (2,))[2]
    want = torch.stack([naive(encoder, CLIPS[:, :, t : t + 1], 2)[..., 1:] for t in range(2)], dim=1)
    assert got.grid == GRID
    asked = got.query_map((1, 2, 3))
    assert asked[:, 0].isnan().all()
    assert close(asked[:, 1], want[:, 1, :, 1 + 13].mean(1).unflatten(-1, (3, 5)))
    assert close(got.class_map(), want[:, :, :, 0].mean(2).unflatten(-1, (3, 5)) / 2)
    assert close(got.received(heads=0), want[:, :, 0, 1:].mean(2).unflatten(-1, (3, 5)) / 2)


def test_an_image_encoder_sees_as_many_frames_as_it_is_told():
    clips = torch.rand(2, 3, 6, 12, 20)
    got = query_keys(video(grid=FRAME), clips, (1,), steps=3)[1]
    assert got.grid == TokenGrid(3, 3, 5)
    alone = query_keys(video(grid=FRAME), clips[:, :, 4:5], (1,))[1]
    assert torch.allclose(got.query_map((2, 1, 1))[:, 2:], alone.query_map((0, 1, 1)), atol=1e-6)


@pytest.mark.parametrize("registers", [0, 2])
def test_timm_encoders_are_asked_the_same_way_registers_included(registers):
    torch.manual_seed(0)
    options = {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": (32, 48), "reg_tokens": registers}
    encoder = timm_encoder("vit_tiny_patch16_224", pretrained=False, **options)
    torch.nn.init.normal_(encoder.network.blocks[1].attn.qkv.bias)
    clips = torch.rand(1, 3, 2, 32, 48)
    got = query_keys(encoder, clips, (2,))[2]
    assert (got.grid, got.prefix) == (TokenGrid(2, 2, 3), 1 + registers)
    rows = torch.cat([rows for _, rows in got.rows()], dim=2)
    with torch.no_grad():
        block = encoder.network.blocks[1]
        x = block.norm1(encoder.network.blocks[0](encoder._embed(clips[:, :, 1:], None)))
        q, k, _ = (x @ block.attn.qkv.weight.T + block.attn.qkv.bias).double().split(24, dim=-1)
    scores = (q[0, :, 8:16] @ k[0, :, 8:16].T / 8**0.5).exp()  # head 1 of the second frame
    want = scores / scores.sum(1, keepdim=True)
    assert close(rows[1, 1], want)
    assert close(got.query_map((1, 1, 2), heads=1)[0, 1], want[-1, -6:].view(2, 3))


def test_the_encoder_runs_as_always_and_keeps_no_hook():
    encoder = video()
    query_keys(encoder, CLIPS, (1, 2))
    assert not any(block.attn._forward_pre_hooks for block in encoder.blocks)
    with pytest.raises(ShapeError):
        query_keys(encoder, CLIPS[..., :16], (1,))
    assert not any(block.attn._forward_pre_hooks for block in encoder.blocks)


def test_bf16_queries_and_keys_go_through_an_exact_softmax():
    encoder = video().bfloat16()
    got = query_keys(encoder, CLIPS.bfloat16(), (2,))[2]
    assert got.keys.dtype == torch.float32
    assert torch.allclose(got.received().sum((1, 2, 3)), torch.ones(2))
    exact = query_keys(video(), CLIPS, (2,))[2]
    assert torch.allclose(got.received(), exact.received(), atol=3e-3)


def test_bf16_rows_equal_a_softmax_of_the_same_queries_and_keys_in_python():
    got = query_keys(video(True).bfloat16(), CLIPS.bfloat16(), (2,), mask=MASK)[2]
    for clip in range(2):
        query, keys = got.queries[clip, 1, 1 + 1].tolist(), got.keys[clip, 1].tolist()  # token 7 after the class token
        powers = [math.exp(sum(a * b for a, b in zip(query, key, strict=True))) for key in keys]
        want = torch.tensor([power / sum(powers) for power in powers[1:]])
        assert close(got.query_map(GRID.place(7), heads=1)[clip].flatten()[VISIBLE[clip]], want)


@pytest.mark.parametrize("class_token", [False, True])
def test_a_clip_of_one_step_has_the_maps_of_a_naive_softmax(class_token):
    encoder, first = video(class_token, grid=FRAME), int(class_token)
    mask = TokenMask.from_visible(torch.tensor([[0, 6, 14], [2, 6, 9]]), FRAME)
    for seen in (None, mask):
        want = naive(encoder, CLIPS[:, :, :1], 3, seen)[..., first:]
        got = query_keys(encoder, CLIPS[:, :, :1], (3,), mask=seen)[3]
        row, ids = (first + 6, torch.arange(15).expand(2, -1)) if seen is None else (first + 1, mask.visible_ids)
        assert close(got.query_map((0, 1, 1)).flatten(1).gather(1, ids), want[:, :, row].mean(1))
        assert close(got.received(heads="max").flatten(1).gather(1, ids), want[:, :, first:].mean(2).amax(1))


def test_one_visible_token_has_a_map():
    mask = TokenMask.from_visible(torch.tensor([[4]]), GRID)
    alone = query_keys(video(), CLIPS[:1], (1,), mask=mask)[1]
    assert alone.received().nansum() == 1 and alone.query_map(GRID.place(4))[0, 0, 0, 4] == 1


def test_what_cannot_be_asked_is_refused():
    got = query_keys(video(), CLIPS, (1,), mask=MASK)[1]
    with pytest.raises(MaskError, match=r"query \(0, 0, 0\) is hidden in clip 1"):
        got.query_map((0, 0, 0))
    with pytest.raises(ShapeError, match="outside 2x3x5"):
        got.query_map((2, 0, 0))
    with pytest.raises(ShapeError, match=r"no class token: take received\(\)"):
        got.class_map()
    with pytest.raises(OptionError, match="block 4 does not exist"):
        query_keys(video(), CLIPS, (4,))
    with pytest.raises(OptionError, match="number below 3"):
        got.received(heads=3)
