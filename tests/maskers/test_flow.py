"""Flow: following tokens, turning a flow round, estimating it, and masks that travel with it."""

from __future__ import annotations

import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import ShapeError
from mvkit.maskers import MaskContext, create
from mvkit.maskers._flow import backward_flow, estimate_flow
from mvkit.maskers.flow import trace

GRID = TokenGrid(8, 14, 18)


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def panning(x: float, y: float, batch: int = 6, grid: TokenGrid = GRID) -> torch.Tensor:
    return torch.tensor([float(x), float(y)]).expand(batch, grid.t - 1, grid.h, grid.w, 2).contiguous()


@pytest.mark.parametrize(("x", "y"), [(1, 0), (0, -1), (-1, 1), (2, 1)])
@pytest.mark.parametrize("base", ["middle", "first"])
def test_on_a_pure_translation_the_visible_set_is_the_translated_set(x, y, base):
    masker = create("flow", base=base)
    seen = ~masker(GRID, 6, generator=gen(), context=MaskContext(flow=panning(x, y))).volume()
    start = 4 if base == "middle" else 0
    for k in range(GRID.t):
        dx, dy = (k - start) * x, (k - start) * y
        rows = slice(max(0, dy), GRID.h + min(0, dy))  # tokens of step k that were in the plane at the base step
        columns = slice(max(0, dx), GRID.w + min(0, dx))
        moved = seen[:, start].roll((dy, dx), (1, 2))
        inner, seen_inner = moved[:, rows, columns], seen[:, k, rows, columns]
        if inner.numel():
            assert torch.equal(seen_inner, inner)


def test_without_motion_it_is_a_tube():
    volume = create("flow")(GRID, 6, generator=gen(), context=MaskContext(flow=panning(0, 0))).volume()
    assert torch.equal(volume, volume[:, :1].expand_as(volume))
    places = create("flow")(GRID, 500, generator=gen(), context=MaskContext(flow=panning(0, 0, 500))).hidden
    assert (places.view(500, 8, -1)[:, 0].float().mean(0) - 0.9).abs().max() < 4.5 * 0.0134


@pytest.mark.parametrize("speed", [0.3, 0.5, -0.7])
def test_fractions_of_a_token_add_up_along_a_track(speed):
    positions, known = trace(panning(speed, 0), GRID, 4)
    x = torch.arange(GRID.w).expand(GRID.h, -1).flatten().float()
    for k in range(GRID.t):
        inside = known[0, k].flatten()
        assert torch.allclose(positions[0, k, inside, 0], (x - (k - 4) * speed)[inside], atol=1e-4)
    assert known[:, :, :, 6:12].all()


def test_a_flow_turned_round_leads_back_and_names_what_it_uncovers():
    flow = torch.zeros(1, 1, 4, 6, 2)
    flow[0, 0, 1, 1] = torch.tensor([2.0, 1.0])  # one token moves onto a token at rest
    back, known = backward_flow(flow)
    assert back[0, 0, 2, 3].tolist() == [-2.0, -1.0], "what moves passes in front"
    assert not bool(known[0, 0, 1, 1]) and int(known.sum()) == 23
    assert back[0, 0, 0, 0].tolist() == [0.0, 0.0]


def test_what_leaves_the_plane_is_lost_unless_it_wraps():
    back, known = backward_flow(panning(1, 0, 1))
    assert not bool(known[..., 0].any()) and bool(known[..., 1:].all())
    wrapped, known = backward_flow(panning(1, 0, 1), wrap=True)
    assert bool(known.all()) and bool((wrapped == torch.tensor([-1.0, 0.0])).all())
    assert bool((back[..., 1:, :] == torch.tensor([-1.0, 0.0])).all())


@pytest.mark.parametrize(("x", "y", "error"), [(0, 0, 0.01), (4, -8, 0.05), (-2, 6, 0.17), (3, -5, 0.17)])
def test_block_matching_finds_a_translation_to_a_fraction_of_a_token(x, y, error):
    """Cells are 4 pixels: whole cells are found nearly exactly, what lies between to about an eighth of a token."""
    grid = TokenGrid(4, 6, 8)
    coarse = torch.rand(2, 3, 40, 50, generator=gen())
    scene = torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear")
    # 8 frames, 2 a step, 8-pixel tokens; the picture moves by (x, y) pixels each step, half of it each frame.
    frames = []
    for f in range(8):
        dx, dy = round(x * f / 2), round(y * f / 2)
        frames.append(scene[:, :, 50 - dy : 98 - dy, 60 - dx : 124 - dx])
    flow = estimate_flow(torch.stack(frames, 2), grid)
    want = torch.tensor([x / 8, y / 8])
    assert (flow[:, :, 1:-1, 1:-1] - want).abs().mean() < error


def test_flat_places_stay_at_rest():
    assert not bool(estimate_flow(torch.full((1, 3, 8, 24, 32), 0.5), TokenGrid(4, 6, 8)).any())


def test_a_given_flow_stands_in_for_the_video_and_is_checked_even_beside_one():
    grid = TokenGrid(2, 3, 5)
    context = MaskContext(flow=torch.zeros(2, 1, 3, 5, 2))
    assert create("flow")(grid, 2, generator=gen(), context=context).hidden.shape == (2, 30)
    wrong = MaskContext(video=torch.rand(2, 3, 4, 12, 20), flow=torch.zeros(2, 1, 5, 3, 2))
    with pytest.raises(ShapeError, match=r"context\.flow must be"):
        create("flow")(grid, 2, generator=gen(), context=wrong)
