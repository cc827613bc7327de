"""What every masker promises, run over every file in the folder and its published variants."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mvkit import TokenGrid, maskers
from mvkit.errors import MaskError, OptionError, ShapeError
from mvkit.maskers import MaskContext, Masker
from mvkit.maskers._ratio import RatioMasker

GRIDS = [TokenGrid(2, 3, 5), TokenGrid(4, 6, 4), TokenGrid(1, 4, 6), TokenGrid(8, 14, 14), TokenGrid(1, 1, 1)]
DEFAULTS = [maskers.create(name) for name in maskers.available()]
FAITHFUL = [
    maskers.create("block", faithful=True, min_area=4),
    maskers.create("block", faithful=True, span=0.5, min_area=4),
    maskers.create("cube", faithful=True),
    maskers.create("cube_frame", faithful=True, min_area=4),
    maskers.create("dual", faithful=True),
    maskers.create("multi_block", faithful=True, balance="random", long_scale=0.5),
    maskers.create("profile", faithful=True),
]
VARIANTS = [
    maskers.create("attention", direction="hide", select="top", hint=0.1),
    maskers.create("attention", tube=True, rounding="keep_floor"),
    maskers.create("block", span=0.5, roll=True),
    maskers.create("cell", shared=False, shuffle_time=True),
    maskers.create("motion", direction="hide", camera=True),
    maskers.create("motion", select="top", group="sample"),
    maskers.create("multi_block", roll=True, view="short"),
    maskers.create("noise", colour="red", group="step"),
    maskers.create("noise", colour="blue"),
    maskers.create("profile", curve="symmetric", nested=False),
    maskers.create("profile", curve="switch", first=0.0, last=0.9),
    maskers.create("unit", time=2),
]
ALL = DEFAULTS + VARIANTS + FAITHFUL
# The strategies that a grid can rule out, and how.
REFUSALS = {"cell": "cells", "dual": "cells", "unit": "bricks", "block": "rectangles", "cube": "cubes"} | {
    "cube_frame": "rectangles",
    "multi_block": "whole plane",
}

every_masker = pytest.mark.parametrize("masker", ALL, ids=repr)
every_grid = pytest.mark.parametrize("grid", GRIDS, ids=str)


def key(masker: Masker) -> str:
    return type(masker).__module__.rpartition(".")[2]


def any_context(grid: TokenGrid, batch: int, seed: int = 0) -> MaskContext:
    """Random numbers in every field, of the right shapes."""
    g = torch.Generator().manual_seed(seed)
    return MaskContext(
        video=torch.rand(batch, 3, 2 * grid.t, 4 * grid.h, 4 * grid.w, generator=g),
        attention=torch.rand(batch, grid.t, grid.places, generator=g),
        features=torch.randn(batch, grid.tokens, 4, generator=g),
        loss=torch.rand(batch, grid.tokens, generator=g),
    )


def draw(masker: Masker, grid: TokenGrid, batch: int = 4, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    return masker(grid, batch, generator=g, context=any_context(grid, batch))


def counts_or_skip(masker: Masker, grid: TokenGrid) -> dict[str, int]:
    """Counts, or a skip once both doors have refused with the documented error in one line."""
    try:
        return masker.counts(grid)
    except MaskError as err:
        assert "\n" not in str(err) and REFUSALS[key(masker)] in str(err)
        with pytest.raises(MaskError, match=REFUSALS[key(masker)]):
            draw(masker, grid)
        pytest.skip(f"refused: {err}")


def test_the_folder_holds_the_strategies_of_the_field():
    wanted = "attention block cell cube cube_frame dual flow frame full motion multi_block nested none profile"
    wanted += " random tube unit"
    assert set(wanted.split()) <= set(maskers.available())


@every_grid
@every_masker
def test_counts_are_exact_for_every_role_and_clip(masker, grid):
    counts = counts_or_skip(masker, grid)
    drawn = draw(masker, grid)
    assert list(drawn.roles) == list(counts)
    for role, mask in drawn.roles.items():
        assert mask.visible_ids.shape == (4, counts[role])
        assert mask.hidden.shape == (4, grid.tokens) and mask.hidden.dtype == torch.bool
        assert (~mask.hidden).sum(1).tolist() == [counts[role]] * 4


@every_grid
@every_masker
def test_ids_are_ascending_and_together_name_every_token_once(masker, grid):
    counts_or_skip(masker, grid)
    for mask in draw(masker, grid).roles.values():
        both = torch.cat([mask.visible_ids, mask.hidden_ids], 1)
        assert torch.equal(both.sort(1).values, torch.arange(grid.tokens).expand(4, -1))
        for ids, hidden in ((mask.visible_ids, False), (mask.hidden_ids, True)):
            assert ids.dtype == torch.long and bool((ids.diff(dim=1) > 0).all())
            assert bool((mask.hidden.gather(1, ids) == hidden).all())


@pytest.mark.parametrize("grid", [TokenGrid(2, 3, 5), TokenGrid(4, 6, 4), TokenGrid(1, 4, 6)], ids=str)
@pytest.mark.parametrize("masker", [m for m in ALL if m.exact == "step"], ids=repr)
def test_maskers_exact_per_step_give_every_step_its_own_fixed_count(masker, grid):
    counts_or_skip(masker, grid)
    first, second = draw(masker, grid), draw(masker, grid, seed=1)
    for role, mask in first.roles.items():
        steps = mask.volume().sum((2, 3))
        assert torch.equal(steps, steps[:1].expand_as(steps))
        assert torch.equal(steps, second.roles[role].volume().sum((2, 3)))


@every_masker
def test_the_same_generator_state_gives_the_same_masks_and_another_gives_others(masker):
    grid = TokenGrid(4, 8, 12)
    one, again, other = draw(masker, grid), draw(masker, grid), draw(masker, grid, seed=1)
    same = [torch.equal(one.roles[r].hidden, again.roles[r].hidden) for r in one.roles]
    changed = [not torch.equal(one.roles[r].hidden, other.roles[r].hidden) for r in one.roles]
    assert all(same)
    greedy = getattr(masker, "select", "") == "top" and getattr(masker, "hint", 0) == 0
    assert any(changed) or key(masker) in ("full", "none") or greedy


@every_masker
def test_the_clips_of_a_batch_get_different_masks(masker):
    grid = TokenGrid(4, 8, 12)
    hidden = draw(masker, grid, batch=16).primary.hidden
    assert len(hidden.unique(dim=0)) > 1 or key(masker) in ("full", "none")


@every_masker
def test_global_randomness_is_neither_used_nor_moved(masker):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    draw(masker, TokenGrid(4, 8, 12))
    assert torch.equal(torch.get_rng_state(), state)


@every_masker
def test_repr_rebuilds_the_masker_and_options_describe_themselves(masker):
    space = {type(masker).__name__: type(masker)}
    assert eval(repr(masker), space) == masker
    assert hash(masker) == hash(replace(masker))
    assert masker.title and masker.__doc__
    for f in fields(masker):
        assert f.metadata["help"], f.name


@pytest.mark.parametrize("ratio", [0, 0.01, 1])
@every_grid
@pytest.mark.parametrize("masker", [m for m in ALL if any(f.name == "ratio" for f in fields(m))], ids=repr)
def test_extreme_ratios_hide_nothing_or_everything(masker, grid, ratio):
    masker = replace(masker, ratio=ratio)
    counts = counts_or_skip(masker, grid)
    mask = draw(masker, grid).primary
    assert mask.visible_ids.shape[1] == next(iter(counts.values()))
    if ratio == 0:
        assert not mask.hidden.any()
    full_span = getattr(masker, "span", 1.0) == 1.0 or grid.t == 1
    if ratio == 1 and full_span:
        assert mask.hidden.all()


@every_grid
@pytest.mark.parametrize("masker", [m for m in ALL if isinstance(m, RatioMasker)], ids=repr)
def test_keep_counts_members_of_the_group_that_the_ratio_is_a_share_of(masker, grid):
    counts_or_skip(masker, grid)
    shares = {f.name: f.default for f in fields(masker) if f.name in ("ratio", "rounding")}

    def keeping(keep: int) -> Masker:
        return replace(masker, **shares, keep=keep)

    visible, keep = [], 0
    while True:
        try:
            visible.append(next(iter(keeping(keep).counts(grid).values())))
        except MaskError as err:
            assert "keep must be at most" in str(err) and "\n" not in str(err)
            break
        keep += 1
    size = keep - 1
    step = visible[1] - visible[0]
    assert step > 0 and visible == [visible[0] + k * step for k in range(size + 1)]
    assert keeping(0).counts(grid) == replace(masker, ratio=1.0, rounding="masked_floor").counts(grid)
    assert keeping(size).counts(grid) == replace(masker, ratio=0.0, rounding="masked_floor").counts(grid)
    for keep in {0, 1, size // 2, size}:
        drawn = draw(keeping(keep), grid)
        assert {r: m.visible_ids.shape[1] for r, m in drawn.roles.items()} == keeping(keep).counts(grid)
    with pytest.raises(MaskError, match="keep must be at most"):
        draw(keeping(size + 1), grid)


@pytest.mark.parametrize("name", maskers.available())
def test_every_option_works_at_both_ends_of_its_range_or_is_refused_at_both_doors(name):
    grid = TokenGrid(4, 6, 4)
    for f in fields(maskers.get(name)):
        ends = [end for end in (f.metadata["low"], f.metadata["high"]) if end is not None]
        for value in [*ends, *f.metadata["choices"], *([True, False] if isinstance(f.default, bool) else [])]:
            try:
                masker = maskers.create(name, **{f.name: value})
            except MaskError as err:  # two options that contradict each other
                assert f.name in str(err) and "must not exceed" in str(err)
                continue
            try:
                counts = masker.counts(grid)
            except MaskError:
                if masker == maskers.create("multi_block", faithful=True):  # its count is not known, its masks exist
                    continue
                with pytest.raises(MaskError):
                    draw(masker, grid)
                continue
            assert {r: m.visible_ids.shape[1] for r, m in draw(masker, grid).roles.items()} == counts


@pytest.mark.parametrize("masker", [m for m in ALL if m.needs], ids=repr)
def test_a_missing_or_misshapen_context_is_named(masker):
    grid, g = TokenGrid(2, 4, 6), torch.Generator().manual_seed(0)
    (name,) = masker.needs
    with pytest.raises(MaskError, match=rf"needs context\.{name}"):
        masker(grid, 2, generator=g)
    with pytest.raises(ShapeError, match=rf"context\.{name} must be"):
        masker(grid, 2, generator=g, context=any_context(grid, 3))
    with pytest.raises(ShapeError, match=rf"context\.{name} must be"):
        masker(grid, 2, generator=g, context=any_context(TokenGrid(3, 5, 7), 2))


@pytest.mark.parametrize("name", maskers.available())
def test_options_out_of_range_and_of_wrong_type_are_refused(name):
    cls = maskers.get(name)
    for f in fields(cls):
        low, high, choices = (f.metadata[k] for k in ("low", "high", "choices"))
        wrong = [low - 1] if low is not None else []
        wrong += [high + 1] if high is not None else []
        wrong += ["no such choice"] if choices else ["text"]
        wrong += [] if f.default is None else [None]
        wrong += [1.5] if isinstance(f.default, int | None) else []
        for value in wrong:
            with pytest.raises(MaskError, match=f.name):
                cls(**{f.name: value})


def test_aliases_find_their_masker_and_belong_to_one():
    seen = {}
    for name in maskers.available():
        for alias in maskers.get(name).aliases:
            assert alias not in seen and alias not in maskers.available(), (alias, seen.get(alias))
            seen[alias] = name
            assert maskers.get(alias) is maskers.get(name)
    with pytest.raises(OptionError, match="did you mean 'tube'"):
        maskers.create("tub")


class _NoWaiting(TorchDispatchMode):
    """Fails on operations that make a program wait for its accelerator: reading a value, sizes that follow data."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if any(word in str(func) for word in ("_local_scalar_dense", "nonzero", "masked_select", "_unique")):
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


def test_the_guard_against_waiting_sees_a_drawing_that_waits():
    with _NoWaiting(), pytest.raises(AssertionError, match="waits for the device"):
        maskers.create("cube", faithful=True)(TokenGrid(4, 8, 12), 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("masker", DEFAULTS + VARIANTS, ids=repr)
def test_exact_maskers_never_wait_for_the_device(masker):
    grid = TokenGrid(4, 8, 12)
    context, g = any_context(grid, 3), torch.Generator().manual_seed(0)
    masker.counts(grid)  # a masker may work out counts once, on the CPU, and remember them
    with _NoWaiting():
        masker(grid, 3, generator=g, context=context)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("masker", DEFAULTS + VARIANTS, ids=repr)
def test_a_generator_on_the_device_gives_masks_there_without_waiting(masker):
    grid = TokenGrid(4, 8, 12)
    context, g = any_context(grid, 3), torch.Generator("cuda").manual_seed(0)
    on_device = MaskContext(**{f.name: getattr(context, f.name) for f in fields(context)})
    for f in fields(on_device):
        value = getattr(on_device, f.name)
        if isinstance(value, torch.Tensor):
            on_device = replace(on_device, **{f.name: value.cuda()})
    masker.counts(grid)
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = masker(grid, 3, generator=g, context=on_device)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(mask.hidden.device.type == "cuda" for mask in drawn.roles.values())
