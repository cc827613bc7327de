import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import OptionError, ShapeError
from mvkit.inspect.cka import MinibatchCKA, between, cka
from mvkit.maskers.base import TokenMask
from mvkit.models.vit import VideoViT

GRID = TokenGrid(2, 3, 5)


def features(n: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed)) + 0.5


def hsic(x: torch.Tensor, y: torch.Tensor) -> float:
    """The estimator as the paper writes it, entry by entry."""
    n = len(x)
    k = [[0.0 if i == j else float(x[i].double() @ x[j].double()) for j in range(n)] for i in range(n)]
    m = [[0.0 if i == j else float(y[i].double() @ y[j].double()) for j in range(n)] for i in range(n)]
    trace = sum(k[i][j] * m[j][i] for i in range(n) for j in range(n))
    sums = sum(map(sum, k)) * sum(map(sum, m))
    both = sum(k[i][j] * m[j][p] for i in range(n) for j in range(n) for p in range(n))
    return (trace + sums / ((n - 1) * (n - 2)) - 2 * both / (n - 2)) / (n * (n - 3))


def test_cka_of_one_batch_is_the_formula_of_the_paper():
    x, y = features(9, 4), features(9, 6, 1) + features(9, 4)[:, :1]
    want = hsic(x, y) / (hsic(x, x) * hsic(y, y)) ** 0.5
    assert cka(x, y) == pytest.approx(want, abs=1e-9)
    assert cka(x, x) == pytest.approx(1.0)


def test_batches_add_up_their_hsic_before_the_ratio_is_taken():
    batches = [(features(n, 4, n), features(n, 6, n + 50) + features(n, 4, n)[:, :1]) for n in (7, 5, 9)]
    found = MinibatchCKA()
    for x, y in batches:
        found.update([x, y], [y])
    both, own, other = (sum(hsic(*pair) for pair in pairs) for pairs in (
        [(x, y) for x, y in batches], [(x, x) for x, _ in batches], [(y, y) for _, y in batches]
    ))  # fmt: skip
    assert found.matrix().shape == (2, 1)
    assert float(found.matrix()[0, 0]) == pytest.approx(both / (own * other) ** 0.5, abs=1e-9)
    assert float(found.matrix()[1, 0]) == pytest.approx(1.0)


def test_rotations_scales_and_shifts_change_nothing_and_other_maps_do():
    x, y = features(12, 5), features(12, 7, 1) + 2 * features(12, 5)[:, :1]
    turn = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(3))).Q
    assert cka(30 * x @ turn + 4, y) == pytest.approx(cka(x, y), abs=1e-5)
    assert abs(cka(x * torch.tensor([9.0, 1, 1, 1, 1]), y) - cka(x, y)) > 0.05


def test_unrelated_features_have_none_however_small_the_batch():
    found = MinibatchCKA()
    for seed in range(200):
        found.update([features(8, 64, seed)], [features(8, 64, seed + 1000)])
    assert abs(float(found.matrix())) < 0.05  # the biased estimator gives about 0.9 here


def test_order_of_the_examples_does_not_matter_and_pairing_does():
    x, y = features(12, 5), features(12, 5) + 0.1 * features(12, 5, 1)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    assert cka(x[order], y[order]) == pytest.approx(cka(x, y), abs=1e-9)
    assert cka(x[order], y) < cka(x, y) - 0.3


def test_half_precision_features_are_compared_in_double():
    x, y = features(12, 5).bfloat16(), features(12, 5, 1).bfloat16()
    assert cka(x, y) == cka(x.double(), y.double())


def encoder(seed: int, grid: TokenGrid = GRID, width: int = 24) -> VideoViT:
    torch.manual_seed(seed)
    return VideoViT(grid, tubelet=1, patch=4, width=width, depth=3, heads=3).eval()


BATCHES = [torch.rand(5, 3, 2, 12, 20, generator=torch.Generator().manual_seed(seed)) for seed in range(2)]


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_encoders_are_compared_layer_by_layer_on_the_same_tokens():
    first, second = encoder(0), encoder(1, width=48)
    got = between(first, second, BATCHES, ((1, 3), (2,)), limit=40, generator=draws())
    found, generator = MinibatchCKA(), draws()
    for clips in BATCHES:
        kept = torch.randperm(150, generator=generator)[:40]
        with torch.no_grad():
            rows, columns = first(clips, layers=(1, 3)).layers, second(clips, layers=(2,)).layers
        found.update([rows[n].reshape(150, 24)[kept] for n in (1, 3)], [columns[2].reshape(150, 48)[kept]])
    assert got.shape == (2, 1) and torch.equal(got, found.matrix())
    same = between(first, first, BATCHES, ((1, 2), (1, 2)), generator=draws())
    assert torch.allclose(same.diagonal(), torch.ones(2, dtype=torch.float64)) and torch.allclose(same, same.T)


def test_an_image_encoder_is_compared_with_a_video_encoder_step_by_step():
    frames = encoder(0, TokenGrid(1, 3, 5))
    got = between(frames, encoder(1), BATCHES, ((1,), (1, 2, 3)), generator=draws())
    assert got.shape == (1, 3) and torch.isfinite(got).all()
    clips = torch.cat(BATCHES).repeat_interleave(2, dim=2)  # 4 frames, of which an image encoder sees every other one
    video = VideoViT(GRID, tubelet=2, patch=4, width=24, depth=1, heads=3).eval()
    assert between(frames, video, [clips], ((1,), (1,)), generator=draws()).shape == (1, 1)


def test_clips_are_compared_by_their_mean_features_whatever_the_grids():
    other = VideoViT(TokenGrid(1, 3, 5), tubelet=2, patch=4, width=24, depth=1, heads=3).eval()
    got = between(encoder(0), other, BATCHES, ((1,), (1,)), examples="clips")
    found = MinibatchCKA()
    for clips in BATCHES:
        with torch.no_grad():
            found.update(*[[e(clips, layers=(1,)).layers[1].mean(1)] for e in (encoder(0), other)])
    assert torch.equal(got, found.matrix())
    with pytest.raises(ShapeError, match=r"tokens \(5, 30\) and \(5, 15\): compare 'clips'"):
        between(encoder(0), other, BATCHES, ((1,), (1,)), generator=draws())


def test_two_image_encoders_are_compared_on_every_frame():
    first, second = encoder(0, TokenGrid(1, 3, 5)), encoder(1, TokenGrid(1, 3, 5))
    got = between(first, second, BATCHES[:1], ((3,), (3,)), generator=draws())
    frames = BATCHES[0].transpose(1, 2).reshape(10, 3, 1, 12, 20)
    with torch.no_grad():
        x, y = (e(frames, layers=(3,)).layers[3].reshape(150, 24) for e in (first, second))
    assert float(got) == pytest.approx(cka(x, y), abs=1e-9)


def test_masked_encoders_are_compared_on_the_tokens_both_saw():
    mask = TokenMask.from_visible(torch.tensor([[0, 3, 7, 8, 18, 21, 23], [1, 4, 7, 9, 12, 13, 26]]), GRID)
    with torch.no_grad():
        x, y = (encoder(seed)(BATCHES[0][:2], mask, layers=(2,)).layers[2].reshape(14, 24) for seed in (0, 1))
    want = hsic(x, y) / (hsic(x, x) * hsic(y, y)) ** 0.5
    assert cka(x, y) == pytest.approx(want, abs=1e-9)


def test_too_few_unequal_or_no_examples_are_refused():
    with pytest.raises(ShapeError, match="at least 4"):
        cka(features(3, 4), features(3, 4))
    with pytest.raises(ShapeError, match="same n examples"):
        cka(features(6, 4), features(5, 4))
    with pytest.raises(ShapeError, match=r"features \(n, D\)"):
        cka(features(6, 4)[None], features(6, 4)[None])
    with pytest.raises(ShapeError, match="no examples"):
        MinibatchCKA().matrix()
    found = MinibatchCKA()
    found.update([features(5, 4)], [features(5, 4)])
    with pytest.raises(ShapeError, match="the first had"):
        found.update([features(5, 4)] * 2, [features(5, 4)])
    with pytest.raises(OptionError, match="with a generator"):
        between(encoder(0), encoder(0), BATCHES, ((1,), (1,)))
    with pytest.raises(OptionError, match="'pooled'"):
        between(encoder(0), encoder(0), BATCHES, ((1,), (1,)), examples="pooled")
