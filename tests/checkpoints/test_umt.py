import torch
import torch.nn.functional as F

from mvkit.checkpoints import umt
from mvkit.models.positions import sincos_1d
from mvkit.tokens import TokenGrid


def test_names_are_the_official_ones_but_for_layer_scale():
    ours = {"encoder.blocks.0.ls1.gamma": torch.ones(2), "clip_decoder.1.head.weight": torch.ones(3, 2)}
    official = umt.write(ours)
    assert set(official) == {"encoder.blocks.0.gamma_1", "clip_decoder.1.head.weight"}
    assert umt.read(official).keys() == ours.keys()


def test_fine_tuning_takes_the_encoder_alone_and_leaves_its_final_norm():
    names = ("encoder.norm.weight", "encoder.blocks.0.norm1.weight", "clip_decoder.0.norm.weight")
    assert set(umt.encoder({name: torch.ones(2) for name in names})) == {"blocks.0.norm1.weight"}


def test_the_fine_tuning_table_of_8x14x14_is_the_pre_training_one():
    grid = TokenGrid(8, 14, 14)
    assert torch.equal(umt.finetuning_positions(grid, 6), sincos_1d(grid, 6))
    grid = TokenGrid(8, 16, 16)
    assert torch.equal(umt.finetuning_positions(grid, 6, patch=14), sincos_1d(grid, 6))


def test_other_grids_interpolate_that_table_and_do_not_make_one_of_their_own():
    grid = TokenGrid(4, 3, 5)
    got = umt.finetuning_positions(grid, 6)
    assert got.shape == (60, 6) and not torch.allclose(got, sincos_1d(grid, 6), atol=0.1)
    # One column as a picture of every step, then each place as a line in time.
    column = sincos_1d(TokenGrid(8, 14, 14), 6)[:, 2].view(8, 1, 14, 14)
    places = F.interpolate(column, size=(3, 5), mode="bicubic", align_corners=False)[:, 0]
    lines = (places[0::2] + places[1::2]) / 2  # 8 steps to 4, no corners aligned: the middle of each pair
    assert torch.allclose(got[:, 2], lines.flatten(), atol=1e-6)
