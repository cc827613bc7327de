import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from mvkit import methods
from mvkit.checkpoints import load_state, mae
from mvkit.models import VideoViT
from mvkit.tokens import TokenGrid

GRID = TokenGrid(1, 2, 2)


def state(**options) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return methods.create("mae", size="tiny", frames=2, image=16, patch=8, **options).state_dict()


def test_the_official_names_are_written_with_tables_where_a_grid_is_given():
    official = mae.write(state(), GRID)
    assert {"cls_token", "mask_token", "decoder_embed.bias", "decoder_blocks.0.attn.qkv.bias"} <= set(official)
    assert {"patch_embed.proj.weight", "norm.weight", "decoder_norm.bias", "decoder_pred.weight"} <= set(official)
    assert official["patch_embed.proj.weight"].shape == (128, 3, 8, 8)
    assert official["pos_embed"].shape == (1, 5, 128) and official["decoder_pos_embed"].shape == (1, 5, 96)
    assert not official["pos_embed"][0, 0].any()
    assert set(official) - set(mae.write(state())) == {"pos_embed", "decoder_pos_embed"}


def test_writing_the_official_layout_and_reading_it_back_changes_nothing():
    ours = state()
    back = mae.read(mae.write(ours, GRID), key_bias=False)
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[name], ours[name]) for name in ours)


def test_key_biases_of_a_file_are_kept_and_written_back():
    official = {name: torch.rand_like(value) for name, value in mae.write(state()).items()}
    back = mae.write(mae.read(official))
    assert back.keys() == official.keys()
    assert all(torch.equal(back[name], official[name]) for name in official)


def test_the_encoder_of_a_teacher_file_computes_what_timm_computes():
    torch.manual_seed(0)
    theirs = timm.create_model(
        "vit_base_patch16_224", pretrained=False, img_size=(16, 24), patch_size=8, embed_dim=48, depth=2, num_heads=3,
        num_classes=0, global_pool="token",
    ).eval()  # fmt: skip
    assert isinstance(theirs, VisionTransformer) and theirs.pos_embed is not None
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        theirs.pos_embed.copy_(mae.tables(TokenGrid(1, 2, 3), 48))
    options = {"tubelet": 1, "patch": 8, "width": 48, "depth": 2, "heads": 3, "position": "blocked_2d"}
    for key_bias in (True, False):
        ours = VideoViT(TokenGrid(1, 2, 3), class_token=True, key_bias=key_bias, **options).eval()
        load_state(ours, mae.encoder(theirs.state_dict(), key_bias=key_bias))
        x = torch.rand(2, 3, 1, 16, 24)
        with torch.no_grad():
            normal = (x - ours.mean.view(3, 1, 1, 1)) / ours.std.view(3, 1, 1, 1)
            wanted = theirs.forward_features(normal[:, :, 0])
            seen = ours(x)
        assert seen.class_token is not None
        assert torch.allclose(seen.tokens, wanted[:, 1:], atol=1e-5)
        assert torch.allclose(seen.class_token, wanted[:, 0], atol=1e-5)
