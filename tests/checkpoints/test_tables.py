import pytest
import torch
import torch.nn.functional as F

from mvkit.checkpoints.tables import fit, grid_of, interpolate
from mvkit.errors import CheckpointError
from mvkit.models.positions import table
from mvkit.tokens import TokenGrid

OLD, NEW = TokenGrid(4, 3, 3), TokenGrid(6, 2, 5)


def test_places_are_bicubic_and_steps_linear():
    rows = torch.randn(OLD.tokens, 8)
    places = rows.view(4, 3, 3, 8).permute(0, 3, 1, 2)
    small = F.interpolate(places, size=(2, 5), mode="bicubic", align_corners=False)  # (4, 8, 2, 5)
    wanted = F.interpolate(small.reshape(4, -1).T[None], size=6, mode="linear", align_corners=False)[0].T
    wanted = wanted.reshape(6, 8, 2, 5).permute(0, 2, 3, 1).reshape(-1, 8)
    assert torch.allclose(interpolate(rows, OLD, NEW), wanted, atol=1e-6)


def test_the_same_grid_is_left_as_it_is():
    rows = torch.randn(OLD.tokens, 8)
    assert torch.equal(interpolate(rows, OLD, OLD), rows)


def kept(stored, new=NEW, **more):
    return fit(stored, old=OLD, new=new, **({"formula": "sincos_1d", "resize": False, "rebuilt": False} | more))


def test_a_stored_formula_is_made_anew_for_its_own_grid():
    found = kept({"pos_embed": table("sincos_1d", OLD, 16)}, new=OLD)
    assert (found.position, found.rows, found.resized) == ("sincos_1d", {}, False)


def test_trained_rows_are_kept_for_their_own_grid():
    stored = {"pos_embed": torch.randn(OLD.tokens, 16)}
    found = kept(stored, new=OLD)
    assert found.position == "learned" and torch.equal(found.rows["pos_embed"], stored["pos_embed"])


def test_another_grid_is_refused_with_the_numbers_and_the_ways_out():
    with pytest.raises(CheckpointError, match=r"from 3x3 to 2x5: resize_positions=True interpolates") as err:
        kept({"pos_embed": torch.randn(OLD.tokens, 16)}, new=TokenGrid(4, 2, 5))
    assert "rebuild" not in str(err.value)  # there is no formula to take
    with pytest.raises(CheckpointError, match=r"from 4x3x3 grid to 6x2x5 grid.*resize_positions='rebuild'"):
        kept({"pos_embed": table("sincos_1d", OLD, 16)})


def test_resizing_on_purpose_interpolates_and_keeps_the_class_tokens_row():
    stored = {"pos_embed": torch.randn(OLD.tokens, 16), "class_position": torch.randn(1, 1, 16)}
    found = kept(stored, resize=True)
    assert found.resized and "4x3x3 grid to 6x2x5" in found.note
    assert torch.equal(found.rows["pos_embed"], interpolate(stored["pos_embed"], OLD, NEW))
    assert torch.equal(found.rows["class_position"], stored["class_position"])


@pytest.mark.parametrize("how", [{"resize": "rebuild"}, {"rebuilt": True}])
def test_a_formula_can_be_evaluated_for_another_grid(how):
    found = kept({"pos_embed": table("sincos_1d", OLD, 16)}, **how)
    assert found.position == "sincos_1d" and not found.rows


def test_a_moved_class_row_is_not_the_formula():
    stored = {"pos_embed": table("blocked_2d", TokenGrid(1, 3, 3), 16), "class_position": torch.ones(1, 1, 16)}
    grid = TokenGrid(1, 3, 3)
    found = fit(stored, formula="blocked_2d", old=grid, new=grid, resize=False, rebuilt=False)
    assert found.position == "learned" and found.rows.keys() == stored.keys()


def test_the_grid_of_stored_rows_is_the_likely_one_or_square_or_longer():
    assert grid_of(60, TokenGrid(8, 14, 14), NEW) == NEW
    assert grid_of(8 * 25, TokenGrid(8, 14, 14)) == TokenGrid(8, 5, 5)
    assert grid_of(16 * 196, TokenGrid(8, 14, 14)) == TokenGrid(16, 14, 14)  # UMT's files of 16 frames
    with pytest.raises(CheckpointError, match="which fit none of 1x14x14 grid"):
        grid_of(2 * 196, TokenGrid(1, 14, 14))  # an image has one step
    with pytest.raises(CheckpointError, match="61 rows, which fit none of 8x14x14 grid"):
        grid_of(61, TokenGrid(8, 14, 14))
