"""Masks themselves: gather, scatter, refusals."""

from __future__ import annotations

import pytest
import torch

from mvkit import TokenGrid
from mvkit.errors import MaskError, ShapeError
from mvkit.maskers import MaskContext, MaskSet, TokenMask

GRID = TokenGrid(2, 3, 5)


def random_mask(keep: int = 7) -> TokenMask:
    g = torch.Generator().manual_seed(0)
    return TokenMask.from_visible(torch.rand(3, GRID.tokens, generator=g).argsort(1)[:, :keep], GRID)


@pytest.mark.parametrize("keep", [0, 7, 30])
def test_scatter_puts_visible_and_hidden_tokens_back_where_they_were(keep):
    mask, tokens = random_mask(keep), torch.randn(3, GRID.tokens, 4)
    assert torch.equal(mask.scatter(mask.visible(tokens), mask.hidden_part(tokens)), tokens)
    filled = mask.scatter(mask.visible(tokens), -1.0)
    assert torch.equal(filled, torch.where(mask.hidden[..., None], -1.0, tokens))


def test_gathering_agrees_with_a_loop_over_clips():
    mask, tokens = random_mask(), torch.randn(3, GRID.tokens, 2, 4)
    for clip in range(3):
        assert torch.equal(mask.visible(tokens)[clip], tokens[clip][~mask.hidden[clip]])
        assert torch.equal(mask.hidden_part(tokens)[clip], tokens[clip][mask.hidden[clip]])


def test_a_boolean_mask_and_its_visible_ids_make_the_same_mask():
    by_ids = random_mask()
    by_bool = TokenMask(by_ids.hidden, GRID)
    assert torch.equal(by_bool.visible_ids, by_ids.visible_ids)
    assert torch.equal(by_bool.hidden_ids, by_ids.hidden_ids)


def test_rows_that_hide_unequal_counts_are_refused():
    hidden = torch.zeros(2, GRID.tokens, dtype=torch.bool)
    hidden[0, :3] = True
    with pytest.raises(MaskError, match="these hide 0 to 3"):
        TokenMask(hidden, GRID)


def test_tensors_that_do_not_fit_are_refused():
    mask = random_mask()
    with pytest.raises(ShapeError, match=r"bool \(B, 30\)"):
        TokenMask(torch.zeros(2, 29, dtype=torch.bool), GRID)
    with pytest.raises(ShapeError, match=r"\(3, 30, ...\)"):
        mask.visible(torch.zeros(3, 29, 4))
    with pytest.raises(ShapeError, match=r"visible tokens must be \(3, 7\)"):
        mask.scatter(torch.zeros(3, 8, 4))
    with pytest.raises(ShapeError, match=r"hidden tokens must be \(3, 23\)"):
        mask.scatter(torch.zeros(3, 7, 4), torch.zeros(3, 7, 4))


def test_volume_follows_the_token_order():
    ids = torch.tensor([[GRID.index(1, 2, 3)]])
    volume = TokenMask.from_visible(ids, GRID).volume()
    assert volume.shape == (1, 2, 3, 5)
    assert (~volume).nonzero().tolist() == [[0, 1, 2, 3]]


def test_a_slice_of_a_mask_is_a_mask_and_keeps_what_belongs_to_its_rows():
    whole = TokenMask.from_visible(
        random_mask().visible_ids, GRID, aux={"score": torch.arange(3), "other": torch.ones(1)}
    )
    part = whole[1:]
    assert len(part) == 2 and torch.equal(part.hidden, whole.hidden[1:])
    assert part.aux["score"].tolist() == [1, 2] and "other" not in part.aux


def test_a_mask_set_names_its_roles_and_trains_the_first():
    first, second = random_mask(7), random_mask(9)
    masks = MaskSet({"student": first, "teacher": second})
    assert list(masks) == ["student", "teacher"] and masks.primary is first and masks.grid == GRID
    assert masks.to("cpu")["teacher"].visible_ids.shape == (3, 9)
    assert first.roles == {"encoder": first} and first.primary is first
    with pytest.raises(MaskError, match="at least one"):
        MaskSet({})


@pytest.mark.parametrize("name", ["video", "attention", "features", "loss", "flow"])
def test_a_context_checks_its_shapes_against_the_grid(name):
    shapes = {"video": (2, 3, 4, 6, 5), "attention": (2, 2, 15), "features": (2, 30, 8), "loss": (2, 30)}
    shape = (shapes | {"flow": (2, 1, 3, 5, 2)})[name]
    MaskContext(**{name: torch.zeros(shape)}).check(name, GRID, 2)
    for wrong in ((3, *shape[1:]), shape[:-1], (shape[0], shape[1] + 1, *shape[2:])):
        with pytest.raises(ShapeError, match=f"context.{name} must be"):
            MaskContext(**{name: torch.zeros(wrong)}).check(name, GRID, 2)
