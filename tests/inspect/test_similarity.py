import pytest
import torch
from torch.nn.functional import cosine_similarity

from mvkit import TokenGrid
from mvkit.errors import MaskError, OptionError, ShapeError
from mvkit.inspect import similarity
from mvkit.maskers.base import TokenMask

GRIDS = [TokenGrid(2, 3, 5), TokenGrid(4, 2, 3), TokenGrid(1, 3, 2)]


def tokens(grid: TokenGrid, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, grid.tokens, 7, generator=torch.Generator().manual_seed(0)) + 0.5


def naive(x: torch.Tensor, grid: TokenGrid, kind: str, centred: bool) -> list[list[float]]:
    if centred:
        x = x - sum(x[n] for n in range(grid.tokens)) / grid.tokens
    steps = [x[t * grid.places : (t + 1) * grid.places] for t in range(grid.t)]

    def cos(a, b):
        return float((a * b).sum() / (a.norm() * b.norm())) if a.norm() > 1e-5 and b.norm() > 1e-5 else 0.0

    def entry(a, b):
        if kind == "pooled":
            return cos(a.mean(0), b.mean(0))
        if kind == "aligned":
            return sum(cos(a[i], b[i]) for i in range(grid.places)) / grid.places
        return sum(max(cos(a[i], b[j]) for j in range(grid.places)) for i in range(grid.places)) / grid.places

    return [[entry(a, b) for b in steps] for a in steps]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("kind", similarity.MATRICES)
@pytest.mark.parametrize("centred", [True, False])
def test_frame_matrices_match_loops_written_by_hand(grid, kind, centred):
    x = tokens(grid)
    got = similarity.frame_matrix(x, grid, kind=kind, centred=centred)
    want = torch.tensor([naive(clip, grid, kind, centred) for clip in x])
    if grid.t == 1 and kind == "pooled" and centred:
        assert got.abs().max() <= 1 + 1e-5  # one step less its own mean has no direction
    else:
        assert torch.allclose(got, want, atol=1e-5)


# Steps 0 and 1 of the first clip share no place; step 2 of the first and step 3 of the second are hidden altogether.
SHOWN = TokenMask.from_visible(torch.tensor([[0, 3, 7, 8, 18, 21, 23], [1, 4, 7, 9, 12, 13, 16]]), GRIDS[1])


def naive_masked(x: torch.Tensor, ids: list[int], grid: TokenGrid, kind: str, centred: bool) -> list[list[float]]:
    x = x - sum(x[n] for n in range(len(ids))) / len(ids) if centred else x
    steps = [{ids[n] % grid.places: x[n] for n in range(len(ids)) if ids[n] // grid.places == t} for t in range(grid.t)]

    def entry(a, b):
        shared = a.keys() & b.keys()
        if not (shared if kind == "aligned" else a and b):
            return float("nan")
        if kind == "pooled":
            means = [sum(step.values()) / len(step) for step in (a, b)]
            return float(cosine_similarity(*means, dim=0))
        if kind == "aligned":
            return sum(float(cosine_similarity(a[place], b[place], dim=0)) for place in shared) / len(shared)
        return sum(max(float(cosine_similarity(v, w, dim=0)) for w in b.values()) for v in a.values()) / len(a)

    return [[entry(a, b) for b in steps] for a in steps]


@pytest.mark.parametrize("kind", similarity.MATRICES)
@pytest.mark.parametrize("centred", [True, False])
def test_under_a_mask_only_visible_tokens_count(kind, centred):
    grid, x = GRIDS[1], SHOWN.visible(tokens(GRIDS[1]))
    got = similarity.frame_matrix(x, grid, kind=kind, mask=SHOWN, centred=centred)
    ids = SHOWN.visible_ids.tolist()
    want = torch.tensor([naive_masked(clip, row, grid, kind, centred) for clip, row in zip(x, ids, strict=True)])
    assert torch.allclose(got, want, atol=1e-6, equal_nan=True)
    assert got[0, 2].isnan().all() and got[1, :, 3].isnan().all() and not got[0, 0, 3].isnan()


def test_curves_and_slopes_leave_out_pairs_of_steps_that_share_nothing():
    step = torch.arange(5.0)
    matrix = (1 - 0.1 * (step[:, None] - step).abs())[None].clone()
    matrix[0, 2], matrix[0, :, 2] = torch.nan, torch.nan
    assert torch.allclose(similarity.lag_curve(matrix)[0], 1 - 0.1 * step)
    assert torch.allclose(similarity.lag_slope(matrix), torch.tensor([-0.1]), atol=1e-6)
    lags = (1, 3, 4, 2, 3, 1)  # of steps 0, 1, 3, 4
    assert similarity.off_diagonal(matrix).item() == pytest.approx(1 - 0.1 * sum(lags) / 6)


def test_a_masked_query_map_is_nan_where_hidden():
    grid = GRIDS[1]
    mask = TokenMask.from_visible(torch.tensor([[0, 3, 7, 8, 23], [1, 3, 7, 9, 16]]), grid)
    x = mask.visible(tokens(grid))
    got = similarity.query_map(x, grid, grid.place(7), mask=mask)
    assert torch.equal(got.flatten(1).isnan(), mask.hidden)
    y = x - x.mean(1, keepdim=True)
    assert torch.allclose(mask.visible(got.flatten(1)), cosine_similarity(y, y[:, 2:3], dim=-1), atol=1e-6)
    with pytest.raises(MaskError, match="hidden in clip 0"):
        similarity.query_map(x, grid, (0, 0, 1), mask=mask)


@pytest.mark.parametrize("centred", [True, False])
def test_query_maps_are_cosines_with_the_query(centred):
    grid, x = GRIDS[0], tokens(GRIDS[0])
    got = similarity.query_map(x, grid, (1, 2, 3), centred=centred)
    y = x - x.mean(1, keepdim=True) if centred else x
    for t, row, column in ((0, 0, 0), (1, 0, 4), (1, 2, 3)):
        want = cosine_similarity(y[:, 28], y[:, (t * 3 + row) * 5 + column])
        assert torch.allclose(got[:, t, row, column], want, atol=1e-6)
    assert torch.allclose(got[:, 1, 2, 3], torch.ones(2))


def test_the_lag_curve_is_the_mean_of_each_diagonal():
    matrix = torch.arange(9.0).view(1, 3, 3)
    assert similarity.lag_curve(matrix)[0].tolist() == [4.0, (1 + 3 + 5 + 7) / 4, (2 + 6) / 2]
    assert similarity.off_diagonal(matrix)[0] == (1 + 2 + 3 + 5 + 6 + 7) / 6


def test_the_slope_of_a_linear_fall_is_its_fall():
    step = torch.arange(5.0)
    matrix = (1 - 0.1 * (step[:, None] - step).abs())[None]
    assert torch.allclose(similarity.lag_slope(matrix), torch.tensor([-0.1]), atol=1e-6)


def test_shuffling_the_steps_flattens_the_curve_and_keeps_its_mean():
    step = torch.arange(6.0)
    matrix = (1 - 0.1 * (step[:, None] - step).abs())[None]
    generator = torch.Generator().manual_seed(0)
    control = similarity.shuffle_control(matrix, generator=generator, draws=2000)
    assert control[0, 0] == pytest.approx(1.0)
    assert (control[0, 1:] - similarity.off_diagonal(matrix)).abs().max() < 0.02
    before = similarity.lag_curve(matrix)[0]
    assert before[1] - before[-1] > 0.3


def test_the_control_draws_from_its_generator_and_nothing_else():
    matrix = torch.rand(1, 4, 4)
    state = torch.random.get_rng_state()
    a = similarity.shuffle_control(matrix, generator=torch.Generator().manual_seed(3), draws=5)
    b = similarity.shuffle_control(matrix, generator=torch.Generator().manual_seed(3), draws=5)
    assert torch.equal(a, b) and torch.equal(torch.random.get_rng_state(), state)


def test_one_step_has_a_matrix_a_curve_and_no_slope():
    grid = TokenGrid(1, 3, 2)
    matrix = similarity.frame_matrix(tokens(grid), grid, kind="matched")
    assert matrix.shape == (2, 1, 1) and torch.allclose(matrix, torch.ones(2, 1, 1), atol=1e-5)
    assert similarity.lag_curve(matrix).shape == (2, 1)
    assert similarity.lag_slope(matrix).isnan().all() and similarity.off_diagonal(matrix).isnan().all()


def test_many_places_are_summed_without_losing_digits():
    grid = TokenGrid(3, 14, 14)
    x = torch.randn(1, grid.tokens, 384, generator=torch.Generator().manual_seed(0)) + 1
    exact = torch.nn.functional.normalize(x.double(), dim=-1).view(3, 196, 384)
    want = torch.stack([torch.stack([(a * b).sum() for b in exact]) for a in exact]) / 196
    assert (similarity.frame_matrix(x, grid, centred=False)[0] - want).abs().max() < 1e-6


def test_a_static_clip_repeats_its_middle_frame():
    clips = torch.rand(1, 3, 4, 2, 3)
    still = similarity.static_clip(clips)
    assert still.shape == clips.shape and all(torch.equal(still[:, :, t], clips[:, :, 2]) for t in range(4))


def test_a_shuffled_clip_has_the_same_steps_in_another_order():
    clips = torch.arange(8.0).view(1, 1, 8, 1, 1).expand(2, 3, 8, 2, 3)
    generator = torch.Generator().manual_seed(1)
    got = similarity.shuffled_clip(clips, generator=generator, tubelet=2)
    orders = [clip[0, :, 0, 0].tolist() for clip in got]
    assert got.shape == clips.shape and orders[0] != orders[1] and list(range(8)) not in orders
    for frames in orders:
        assert sorted(frames) == list(range(8))
        assert all(frames[n] % 2 == 0 and frames[n + 1] == frames[n] + 1 for n in (0, 2, 4, 6))
    assert torch.equal(got[:, 0], got[:, 2]) and torch.equal(got[..., 0, 0], got[..., 1, 2])
    with pytest.raises(ShapeError, match="8 frames do not divide into tubelets of 3"):
        similarity.shuffled_clip(clips, generator=generator, tubelet=3)


def test_half_precision_features_are_compared_in_single():
    grid, x = GRIDS[1], tokens(GRIDS[1])
    rough = similarity.frame_matrix(x.bfloat16(), grid)
    assert rough.dtype == torch.float32
    assert torch.allclose(rough, similarity.frame_matrix(x, grid), atol=2e-2)


def test_equal_steps_have_no_mean_direction_once_centred_and_rounding_is_not_taken_for_one():
    grid = TokenGrid(3, 2, 5)
    one = torch.randn(1, 10, 64, generator=torch.Generator().manual_seed(0)) + 3
    same = one.repeat(1, 3, 1)
    assert torch.equal(similarity.frame_matrix(same, grid, kind="pooled"), torch.zeros(1, 3, 3))
    for kind, centred in (("pooled", False), ("aligned", True), ("matched", True)):
        found = similarity.frame_matrix(same, grid, kind=kind, centred=centred)
        assert torch.allclose(found, torch.ones(1, 3, 3), atol=1e-5)


def test_query_maps_hold_for_one_step_and_for_half_precision():
    grid, x = TokenGrid(1, 3, 2), tokens(TokenGrid(1, 3, 2))
    got = similarity.query_map(x.bfloat16(), grid, (0, 2, 1))
    y = x.bfloat16().double()
    y = y - y.mean(1, keepdim=True)
    want = torch.stack([cosine_similarity(y[:, 5], y[:, n]) for n in range(6)], dim=1).view(2, 1, 3, 2)
    assert got.dtype == torch.float32 and torch.allclose(got.double(), want, atol=1e-6)


def test_curves_of_masked_half_precision_clips_match_pairs_counted_by_hand():
    grid, x = GRIDS[1], SHOWN.visible(tokens(GRIDS[1])).bfloat16()
    matrix = similarity.frame_matrix(x, grid, mask=SHOWN)
    ids = SHOWN.visible_ids.tolist()
    for clip in range(2):
        want = naive_masked(x[clip].float(), ids[clip], grid, "aligned", True)
        pairs = [[want[a][b] for a in range(4) for b in range(4) if abs(a - b) == lag] for lag in range(4)]
        means = [sum(kept) / len(kept) if (kept := [p for p in pair if p == p]) else float("nan") for pair in pairs]
        assert similarity.lag_curve(matrix)[clip].tolist() == pytest.approx(means, abs=1e-5, nan_ok=True)


def test_wrong_counts_and_unknown_kinds_are_refused():
    grid = GRIDS[0]
    with pytest.raises(ShapeError, match="encode without a mask"):
        similarity.frame_matrix(tokens(grid)[:, :-1], grid)
    with pytest.raises(OptionError, match="did you mean 'matched'"):
        similarity.frame_matrix(tokens(grid), grid, kind="match")
