import torch

from mvkit import methods
from mvkit.checkpoints import load_state, videomae
from mvkit.models import VideoViT
from mvkit.tokens import TokenGrid


def method(**options):
    torch.manual_seed(0)
    return methods.create("videomae", size="tiny", frames=4, image=16, patch=8, **options)


def test_writing_the_official_layout_and_reading_it_back_changes_nothing():
    state = method().state_dict()
    official = videomae.write(state)
    assert {"mask_token", "encoder_to_decoder.weight", "decoder.head.bias", "encoder.norm.weight"} <= set(official)
    back = videomae.read(official)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_layer_scale_goes_by_its_official_name():
    block = {"encoder.blocks.0.ls1.gamma": torch.ones(2), "decoder.blocks.1.ls2.gamma": torch.ones(2)}
    official = videomae.write(block)
    assert set(official) == {"encoder.blocks.0.gamma_1", "decoder.blocks.1.gamma_2"}
    assert videomae.read(official).keys() == block.keys()


def test_a_learned_position_table_has_a_leading_axis_there_and_none_here():
    ours = {"encoder.pos_embed": torch.randn(8, 4)}
    assert videomae.write(ours)["encoder.pos_embed"].shape == (1, 8, 4)
    assert torch.equal(videomae.read(videomae.write(ours))["encoder.pos_embed"], ours["encoder.pos_embed"])


def test_fine_tuning_takes_the_encoder_and_leaves_its_final_norm():
    official = videomae.write(method().state_dict())
    encoder = VideoViT(TokenGrid(2, 2, 2), tubelet=2, patch=8, width=128, depth=4, heads=4, final_norm=False)
    report = load_state(encoder, videomae.encoder(official))
    assert not [name for name in report.matched if name.startswith("norm.")]
