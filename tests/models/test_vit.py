import pytest
import torch

from mvkit.errors import OptionError, ShapeError
from mvkit.maskers.base import TokenMask
from mvkit.models import Attention, Block, TokenDecoder, VideoViT
from mvkit.models.positions import sincos_1d, sincos_3d
from mvkit.tokens import TokenGrid

GRID = TokenGrid(t=2, h=3, w=5)


def encoder(**options) -> VideoViT:
    torch.manual_seed(0)
    return VideoViT(GRID, tubelet=2, patch=4, width=24, depth=3, heads=3, **options).eval()


def clips(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, 4, 12, 20, generator=torch.Generator().manual_seed(1))


def mask(batch: int = 2, visible: int = 7) -> TokenMask:
    ids = torch.rand(batch, GRID.tokens, generator=torch.Generator().manual_seed(2)).topk(visible).indices
    return TokenMask.from_visible(ids, GRID)


def test_hidden_pixels_cannot_change_what_the_encoder_says():
    model, seen, x = encoder(), mask(), clips()
    hidden = seen.hidden.view(2, 1, 2, 3, 5).repeat_interleave(2, 2).repeat_interleave(4, 3).repeat_interleave(4, 4)
    other = torch.where(hidden, torch.rand_like(x), x)
    assert not torch.equal(other, x)
    assert torch.equal(model(x, seen).tokens, model(other, seen).tokens)


def test_no_mask_and_a_mask_that_hides_nothing_agree():
    model, x = encoder(), clips()
    nothing = TokenMask(torch.zeros(2, GRID.tokens, dtype=torch.bool), GRID)
    assert torch.allclose(model(x).tokens, model(x, nothing).tokens, atol=1e-6)


def test_visible_only_embedding_equals_embedding_all_and_picking():
    model, x, seen = encoder(), clips(), mask()
    assert torch.allclose(model.embed(x, seen), seen.visible(model.embed(x)), atol=1e-6)


def test_embedding_equals_the_strided_convolution_on_normalised_clips():
    model, x = encoder(), clips()
    normalised = (x - model.mean.view(3, 1, 1, 1)) / model.std.view(3, 1, 1, 1)
    wanted = model.patch_embed.proj(normalised).flatten(2).transpose(1, 2) + model.pos_embed
    assert torch.allclose(model.embed(x), wanted, atol=1e-5)


def test_layers_are_the_residual_stream_and_the_last_one_is_normed_into_tokens():
    model, x, seen = encoder(), clips(), mask()
    out = model(x, seen, layers=(1, 3))
    assert sorted(out.layers) == [1, 3]
    assert torch.equal(model.norm(out.layers[3]), out.tokens)


@pytest.mark.parametrize("seen", [None, mask()])
def test_attention_maps_are_the_ones_that_were_used(seen):
    model, x = encoder(), clips()
    out = model(x, seen, heads=(1, 2, 3))
    tokens = GRID.tokens if seen is None else 7
    assert out.attention(2).shape == (2, 3, tokens, tokens)
    assert torch.allclose(out.attention(2).sum(-1), torch.ones(2, 3, tokens))
    # The exact path and SDPA are two computations of the same thing.
    assert torch.allclose(out.tokens, model(x, seen).tokens, atol=1e-5)


def test_a_block_that_does_not_exist_is_refused():
    with pytest.raises(OptionError, match="blocks 1 to 3"):
        encoder()(clips(), layers=(4,))


def test_clips_of_another_size_are_refused_with_both_grids():
    with pytest.raises(ShapeError, match=r"2x3x4 grid.*2x3x5 grid"):
        encoder()(clips()[..., :16])


def test_bf16_training_attention_agrees_with_sdpa():
    torch.manual_seed(0)
    layer, x = Attention(24, 3), torch.randn(2, 9, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trained, _ = layer(x)
        with torch.no_grad():
            frozen, _ = layer(x)
    assert torch.allclose(trained.float(), frozen.float(), atol=3e-2)
    assert torch.allclose(trained.float(), layer(x)[0], atol=3e-2)


@pytest.mark.parametrize("last", [0, 1, 4, 9])
def test_a_block_that_computes_its_last_tokens_gives_the_same_as_one_that_computes_all(last):
    torch.manual_seed(0)
    block, x = Block(24, 3, layer_scale=0.5).eval(), torch.randn(2, 9, 24)
    assert torch.allclose(block(x, last=last)[0], block(x)[0][:, 9 - last :], atol=1e-6)


def test_the_key_has_no_bias():
    names = [name for name, _ in Attention(24, 3).named_parameters()]
    assert names == ["q_bias", "v_bias", "qkv.weight", "proj.weight", "proj.bias"]


def test_positions_are_the_interleaved_sinusoid_of_the_flat_index():
    found = sincos_1d(TokenGrid(8, 14, 14), 6)
    for n, j in ((0, 0), (0, 1), (1567, 0), (1567, 5), (900, 4)):
        angle = torch.tensor(n, dtype=torch.float64) / 10000 ** (2 * (j // 2) / 6)
        wanted = angle.sin() if j % 2 == 0 else angle.cos()
        assert found[n, j].item() == wanted.float().item()


def test_the_position_table_is_in_no_state_dict_unless_learned():
    assert "pos_embed" not in encoder().state_dict()
    assert encoder(position="learned").state_dict()["pos_embed"].shape == (30, 24)
    with pytest.raises(OptionError, match="unknown position table"):
        encoder(position="rotary")


def test_the_decoder_gives_one_row_for_each_hidden_token_also_for_none_and_all():
    torch.manual_seed(0)
    decoder = TokenDecoder(GRID, in_width=24, width=12, depth=2, heads=2)
    for visible in (0, 7, GRID.tokens):
        seen = mask(visible=visible)
        out = decoder(torch.randn(2, visible, 24), seen)
        assert out.shape == (2, GRID.tokens - visible, 12)
        assert torch.isfinite(out).all()


def test_decoder_rows_follow_ascending_hidden_tokens():
    torch.manual_seed(0)
    decoder = TokenDecoder(GRID, in_width=24, width=12, depth=0, heads=2)
    seen = mask()
    out = decoder(torch.randn(2, 7, 24), seen)
    wanted = decoder.norm(decoder.mask_token + decoder.pos_embed[seen.hidden_ids])
    assert torch.allclose(out, wanted, atol=1e-6)


def test_width_must_divide_into_heads():
    with pytest.raises(ShapeError, match="25 does not divide into 3 heads"):
        Attention(25, 3)


def test_the_separable_table_puts_neighbours_of_every_axis_near():
    grid = TokenGrid(3, 4, 5)
    rows = sincos_3d(grid, 32)
    assert rows.shape == (60, 32)
    here = rows[grid.index(1, 1, 2)]
    steps = {"t": (2, 1, 2), "h": (1, 2, 2), "w": (1, 1, 3), "far": (1, 3, 4)}
    distance = {name: (rows[grid.index(*place)] - here).norm().item() for name, place in steps.items()}
    assert 0 < max(distance["t"], distance["h"], distance["w"]) < distance["far"]
