import pytest
import torch
from torch import nn

from mvkit.errors import OptionError, ShapeError
from mvkit.models import VideoViT
from mvkit.models.classifier import body
from mvkit.models.detector import ActionDetector, AnyFrameViT
from mvkit.models.vit import Encoded
from mvkit.tokens import TokenGrid

GRID = TokenGrid(2, 3, 5)
WHOLE = [0.0, 0.0, 1.0, 1.0]


def encoder(**options):
    torch.manual_seed(0)
    return VideoViT(GRID, patch=4, width=16, depth=2, heads=2, **options).eval()


def detector(**options):
    return ActionDetector(encoder(), 4, **options).eval()


def regions(*rows):
    return torch.tensor([[number, *box] for number, box in rows])


def test_a_box_sees_its_own_cells_of_its_own_clip_in_the_mean_over_time():
    model = detector()
    tokens = torch.zeros(2, *GRID.shape, 16)
    tokens[1, 0, 1, 3] = 6.0  # clip 1, step 0, row 1, column 3
    model.encoder.forward = lambda clips, *args, **options: Encoded(tokens.flatten(1, 3))
    there = [0.6, 1 / 3, 0.8, 2 / 3]
    left = [0.0, 1 / 3, 0.2, 2 / 3]
    below = [0.6, 0.99, 0.8, 1.0]
    said = model.features(
        torch.zeros(2, 3, 4, 12, 20), regions((1, there), (0, there), (1, left), (1, below), (1, WHOLE))
    )
    peak = said[:, 0].tolist()
    # 3 is the mean over the two steps. Unaligned boxes begin at the middle of cells, so samples lie between cells.
    assert peak[0] == pytest.approx(3 * (13 / 14) ** 2, abs=0.01)
    assert peak[1] == peak[2] == peak[3] == 0.0
    assert peak[4] > 2


def test_scores_of_a_box_do_not_depend_on_other_boxes_clips_or_their_order():
    model, clips = detector(), torch.rand(3, 3, 4, 12, 20, generator=torch.Generator().manual_seed(1))
    boxes = regions((2, [0.1, 0.2, 0.6, 0.9]), (0, WHOLE), (2, [0.5, 0.0, 1.0, 0.4]))
    all_at_once = model(clips, boxes)
    assert all_at_once.shape == (3, 4)
    alone = model(clips[2:], regions((0, [0.5, 0.0, 1.0, 0.4])))
    assert torch.allclose(all_at_once[2], alone[0], atol=1e-5)
    assert torch.allclose(model(clips, boxes[[2, 0, 1]]), all_at_once[[2, 0, 1]], atol=1e-5)
    assert model(clips, boxes[:0]).shape == (0, 4), "clips without people"


def test_the_encoder_and_its_final_norm_come_along_and_are_copies():
    start = encoder()
    nn.init.normal_(start.norm.weight)
    model, clips = ActionDetector(start, 4).eval(), torch.rand(1, 3, 4, 12, 20)
    assert torch.allclose(model.encoder(clips).tokens, start(clips).tokens, atol=1e-6)
    nn.init.zeros_(model.encoder.norm.weight)
    assert start.norm.weight.detach().abs().sum() > 0
    tuned = ActionDetector(body(start), 4)
    assert tuned.encoder.norm.weight.detach().eq(1).all(), "a classifier has no norm of tokens: it starts fresh"
    assert torch.equal(tuned.encoder.blocks[1].mlp.fc1.weight, start.blocks[1].mlp.fc1.weight)


def test_frames_of_another_size_get_the_table_resized_in_every_step():
    model = AnyFrameViT(GRID, patch=4, width=16, depth=1, heads=2, position="sincos_3d")
    assert torch.equal(model.positions(GRID), model.pos_embed)
    bigger = TokenGrid(2, 6, 10)
    table = model.positions(bigger).view(2, 6, 10, 16)
    assert torch.allclose(
        table[..., :8], model.pos_embed.view(2, 3, 5, 16)[:, :1, :1, :8].expand(2, 6, 10, 8), atol=1e-5
    )
    rows = table[0, :, 0, 8:12]
    for other in (table[0, :, 3, 8:12], table[1, :, 7, 8:12]):
        assert torch.allclose(other, rows, atol=1e-5), "rows are the same in every column and step"
    assert not torch.allclose(rows[0], rows[3], atol=0.05)
    assert model(torch.rand(1, 3, 4, 24, 40)).tokens.shape == (1, 120, 16)
    with pytest.raises(ShapeError, match="3 steps, the encoder was built for 2"):
        model(torch.rand(1, 3, 6, 12, 20))


def test_a_detector_of_other_frames_makes_the_table_for_them_unless_it_was_learned():
    assert detector(frames=8)(torch.rand(1, 3, 8, 24, 20), regions((0, WHOLE))).shape == (1, 4)
    with pytest.raises(OptionError, match="learned position table"):
        ActionDetector(encoder(position="learned"), 4, frames=8)
    assert (
        ActionDetector(encoder(position="learned"), 4)(torch.rand(1, 3, 4, 24, 20), regions((0, WHOLE)))
        .isfinite()
        .all()
    )


def test_colours_are_normalised_as_asked():
    model = detector(mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.2])
    assert model.encoder.mean.tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert model.encoder.config["std"] == [0.2, 0.2, 0.2]
