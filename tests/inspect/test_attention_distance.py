import math

import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import OptionError, ShapeError
from mvkit.inspect import query_keys as module
from mvkit.inspect.attention_distance import attention_distance, row_reach
from mvkit.inspect.query_keys import QueryKeys, query_keys
from mvkit.maskers.base import TokenMask
from mvkit.models.vit import VideoViT

GRID = TokenGrid(2, 3, 5)
MASK = TokenMask.from_visible(torch.tensor([[0, 7, 12, 29], [3, 7, 20, 22]]), GRID)
UNITS = {"patch": 4, "tubelet": 2, "stride": 3, "fps": 30.0}  # a step is 2 * 3 / 30 = 0.2 s


def made(prefix: int = 0, mask: TokenMask | None = None, view: TokenGrid = GRID, steps: int = 1) -> QueryKeys:
    generator = torch.Generator().manual_seed(0)
    count = prefix + (view.tokens if mask is None else mask.visible_ids.shape[1])
    queries, keys = (torch.randn(2 * steps, 3, count, 8, generator=generator) for _ in range(2))
    return QueryKeys(queries, keys, view, steps, prefix, prefix > 0, mask)


def naive(block: QueryKeys, group: int, head: int, ids: list[int]) -> list[float]:
    """space, time, entropy, other steps: token by token, in Python's floats."""
    weights = torch.cat([rows for _, rows in block.rows()], dim=2)[group, head].tolist()
    total = [0.0] * 4
    for i, a in enumerate(ids):
        row = weights[block.prefix + i][block.prefix :]
        (t, y, x), mass = block.view.place(a), sum(row)
        for j, b in enumerate(ids):
            (u, v, w), share = block.view.place(b), row[j] / mass
            total[0] += share * math.hypot(y - v, x - w) * 4
            total[1] += share * abs(t - u) * 0.2
            total[2] -= share * math.log(share) / math.log(len(ids))
            total[3] += share * (t != u)
    return [part / len(ids) for part in total]


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_distances_equal_loops_over_all_pairs_of_tokens(prefix, monkeypatch):
    block = made(prefix)
    monkeypatch.setattr(module, "CHUNK", 2 * 3 * 30 * 7)
    found = attention_distance({5: block}, **UNITS)
    got = torch.stack([found.space, found.time, found.entropy, found.other_steps])
    assert got.shape == (4, 1, 2, 3)
    for clip in range(2):
        for head in range(3):
            want = torch.tensor(naive(block, clip, head, list(range(30))))
            assert torch.allclose(got[:, 0, clip, head], want, atol=1e-6, rtol=1e-6)


def test_masked_distances_are_between_visible_tokens():
    block = made(1, MASK)
    found = attention_distance({1: block}, **UNITS)
    got = torch.stack([found.space, found.time, found.entropy, found.other_steps])[:, 0]
    for clip in range(2):
        ids = MASK.visible_ids[clip].tolist()
        assert torch.allclose(got[:, clip, 1], torch.tensor(naive(block, clip, 1, ids)), atol=1e-6, rtol=1e-6)
        other = sum(GRID.place(a)[0] != GRID.place(b)[0] for a in ids for b in ids) / 16
        assert found.uniform_other_steps[clip] == pytest.approx(other)


def test_uniform_attention_is_what_is_said_to_be_uniform():
    even = QueryKeys(torch.zeros(2, 3, 30, 8), torch.zeros(2, 3, 30, 8), GRID)
    found = attention_distance({1: even}, **UNITS)
    assert found.other_steps.flatten().tolist() == pytest.approx([1 / 2] * 6, abs=1e-6)  # (t-1)/t
    assert found.uniform_other_steps.tolist() == pytest.approx([1 / 2] * 2, abs=1e-6)
    assert torch.allclose(found.space[0, :, 0], found.uniform_space)
    assert found.uniform_time.tolist() == pytest.approx([0.1] * 2)
    assert torch.allclose(found.entropy, torch.ones(1, 2, 3))


def test_attention_to_itself_alone_is_no_distance_and_no_entropy():
    sharp = 100 * torch.eye(30).expand(2, 1, 30, 30)
    found = attention_distance({1: QueryKeys(sharp, sharp, GRID)}, **UNITS)
    for part in (found.space, found.time, found.entropy, found.other_steps):
        assert torch.equal(part, torch.zeros(1, 2, 1))


def test_an_image_encoder_never_leaves_its_step():
    frames = TokenGrid(1, 3, 5)
    block = made(1, view=frames, steps=2)
    found = attention_distance({1: block}, **UNITS)
    assert found.time.abs().max() == 0 and found.other_steps.abs().max() == 0 and found.uniform_time.max() == 0
    want = [naive(block, 2 + step, 0, list(range(15)))[0] for step in range(2)]  # the frames of the second clip
    assert float(found.space[0, 1, 0]) == pytest.approx(sum(want) / 2, abs=1e-6)


def test_layers_come_in_order_and_one_token_has_no_entropy():
    mask = TokenMask.from_visible(torch.tensor([[4], [9]]), GRID)
    found = attention_distance({7: made(0, mask), 2: made(0, mask)}, **UNITS)
    assert found.blocks == (2, 7) and found.entropy.isnan().all() and found.space.abs().max() == 0


def test_distances_of_an_encoder_are_a_number_for_each_layer_clip_and_head():
    torch.manual_seed(0)
    encoder = VideoViT(GRID, tubelet=1, patch=4, width=24, depth=2, heads=3).eval()
    looked = query_keys(encoder, torch.rand(2, 3, 2, 12, 20), (1, 2), mask=MASK)
    found = attention_distance(looked, patch=4, fps=25.0)
    assert found.space.shape == (2, 2, 3) and (found.other_steps > 0).all() and (found.entropy <= 1 + 1e-6).all()


def test_units_without_sense_are_refused():
    with pytest.raises(OptionError, match=r"above 0, got 1 blocks, 4, 2, 3 and 0"):
        attention_distance({1: made()}, **{**UNITS, "fps": 0})
    with pytest.raises(OptionError, match="need a block"):
        attention_distance({}, **UNITS)


@pytest.mark.parametrize("mask", [None, MASK])
def test_the_reach_of_every_query_averages_to_that_of_the_layer(mask):
    block = made(1, mask)
    whole = attention_distance({1: block}, **UNITS)
    asked = range(30) if mask is None else [7]  # the one token both clips see
    rows = {
        token: row_reach(block.query_map(GRID.place(token), heads=1), GRID.place(token), patch=4, step=0.2)
        for token in asked
    }
    if mask is None:
        for name in ("space", "time", "entropy", "other_steps"):
            mean = torch.stack([getattr(row, name) for row in rows.values()]).mean(0)
            assert torch.allclose(mean.float(), getattr(whole, name)[0, :, 1], atol=1e-6), name
        for name in ("uniform_space", "uniform_time", "uniform_other_steps"):
            mean = torch.stack([getattr(row, name) for row in rows.values()]).mean(0)
            assert torch.allclose(mean.float(), getattr(whole, name), atol=1e-5), name
    for clip in range(2):
        ids = list(range(30)) if mask is None else MASK.visible_ids[clip].tolist()
        weights = torch.cat([part for _, part in block.rows()], dim=2)[clip, 1, 1 + ids.index(7), 1:].tolist()
        (t, y, x), total = GRID.place(7), sum(weights)
        want = [0.0] * 3
        for token, weight in zip(ids, weights, strict=True):
            u, v, w = GRID.place(token)
            want[0] += weight / total * math.hypot(v - y, w - x) * 4
            want[1] += weight / total * abs(u - t) * 0.2
            want[2] -= weight / total * math.log(weight / total) / math.log(len(ids))
        got = rows[7]
        assert [float(part[clip]) for part in (got.space, got.time, got.entropy)] == pytest.approx(want, abs=1e-6)
        even = sum(math.hypot(GRID.place(i)[1] - y, GRID.place(i)[2] - x) * 4 for i in ids) / len(ids)
        assert float(got.uniform_space[clip]) == pytest.approx(even)


def test_a_map_without_a_query_has_an_entropy_alone_and_one_outside_is_refused():
    got = row_reach(torch.ones(1, 2, 3, 5), None, patch=4, step=0.2)
    assert float(got.entropy) == pytest.approx(1) and got.space.isnan().all() and got.uniform_time.isnan().all()
    with pytest.raises(ShapeError, match="outside"):
        row_reach(torch.ones(1, 2, 3, 5), (2, 0, 0), patch=4, step=0.2)


def test_one_step_has_no_time_and_a_lone_token_no_reach():
    one = attention_distance({1: made(view=TokenGrid(1, 3, 5))}, **UNITS)
    assert one.time.abs().max() == 0 and one.other_steps.abs().max() == 0 and (one.space > 0).all()
    want = [naive(made(view=TokenGrid(1, 3, 5)), clip, 2, list(range(15)))[0] for clip in range(2)]
    assert torch.allclose(one.space[0, :, 2], torch.tensor(want), atol=1e-6)
    alone = torch.full((1, 2, 3, 5), torch.nan)
    alone[0, 1, 2, 3] = 1
    got = row_reach(alone, (1, 2, 3), patch=4, step=0.2)
    assert float(got.space) == float(got.uniform_space) == 0 and got.entropy.isnan().all()
