import pytest
import torch
import torch.nn.functional as F

from mvkit import methods
from mvkit.errors import OptionError, ShapeError
from mvkit.eval import attentive_accuracy, clip_features, clip_tokens, fit_attentive, probe_accuracy


def planted(n: int = 160, tokens: int = 15, width: int = 12, seed: int = 0):
    """One token of each clip, anywhere, is marked in channel 0; its sign in channel 1 is the label. Other tokens have
    signs of their own, so the mean over tokens says little."""
    g = torch.Generator().manual_seed(seed)
    x = 0.3 * torch.randn(n, tokens, width, generator=g)
    labels = torch.randint(0, 2, (n,), generator=g)
    x[..., 1] = 2.0 * torch.randint(0, 2, (n, tokens), generator=g) - 1
    where = torch.randint(0, tokens, (n,), generator=g)
    x[torch.arange(n), where, 0] += 4.0
    x[torch.arange(n), where, 1] = 2.0 * labels - 1
    return x, labels


def test_it_finds_a_signal_in_one_token_that_the_mean_hides():
    (x, y), (far, wanted) = planted(400), planted(200, seed=1)
    found = attentive_accuracy(x, y, far, wanted, epochs=20)
    assert found > 0.95
    assert probe_accuracy(x.mean(1), y, far.mean(1), wanted, strength=1.0) < found - 0.2


def test_it_does_not_find_what_is_not_there():
    (x, _), (far, wanted) = planted(300), planted(200, seed=1)
    shuffled = torch.randint(0, 2, (300,), generator=torch.Generator().manual_seed(2))
    assert 0.35 < attentive_accuracy(x, shuffled, far, wanted, epochs=5) < 0.65


def test_the_same_seed_gives_the_same_probe_and_nothing_global_is_touched():
    x, y = planted(40)
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first = fit_attentive(x, y, epochs=2)
    assert torch.equal(torch.rand(1), expected)
    again, other = fit_attentive(x, y, epochs=2), fit_attentive(x, y, epochs=2, seed=1)
    assert torch.equal(first(x), again(x))
    assert not torch.equal(first(x), other(x))


def test_the_scale_and_place_of_a_channel_do_not_matter():
    x, y = planted(40)
    stretched = 50 * x + torch.arange(12.0)
    assert torch.allclose(fit_attentive(x, y, epochs=2)(x), fit_attentive(stretched, y, epochs=2)(stretched), atol=1e-3)


def test_the_pooling_equals_the_attention_written_by_hand():
    x, y = planted(8)
    probe = fit_attentive(x, y, epochs=1)
    pool = probe.pool
    flat = x.reshape(-1, 12).double()
    seen = ((x - flat.mean(0)) / flat.std(0, correction=0)).float()
    query = pool.q(pool.latent[0, 0])
    keys, values = pool.kv(seen).split(12, dim=-1)
    heads = []
    for head in range(4):
        part = slice(3 * head, 3 * head + 3)
        weights = F.softmax((keys[..., part] @ query[part]) / 3**0.5, dim=1)
        heads.append((weights[..., None] * values[..., part]).sum(1))
    pooled = pool.proj(torch.cat(heads, dim=1))
    pooled = pooled + pool.mlp(pool.norm(pooled))
    assert torch.allclose(probe(x), probe.head(probe.norm(pooled)), atol=1e-5)


def test_tokens_of_an_encoder_are_those_whose_mean_is_its_features():
    torch.manual_seed(0)
    encoder = methods.create("videomae", size="tiny", frames=4, image=16, patch=8).encoder.eval()
    clips = torch.randint(0, 255, (6, 3, 4, 16, 16), dtype=torch.uint8)
    for layer in (None, 2):
        tokens = clip_tokens(encoder, clips, layer=layer, batch=4)
        assert tokens.shape == (6, 8, 128)
        assert torch.allclose(tokens.mean(1), clip_features(encoder, clips, layer=layer, batch=4), atol=1e-6)
    half = clip_tokens(encoder, clips, dtype=torch.float16)
    assert (
        half.dtype == torch.float16 and attentive_accuracy(half, torch.arange(6) % 2, half, torch.arange(6) % 2) > 0.5
    )


def test_what_does_not_fit_is_refused():
    x, y = planted(8)
    with pytest.raises(ShapeError, match="5 heads"):
        fit_attentive(x, y, heads=5)
    with pytest.raises(ShapeError, match="wanted tokens"):
        fit_attentive(x.mean(1), y)
    with pytest.raises(OptionError, match="at least one clip"):
        fit_attentive(x[:0], y[:0])
