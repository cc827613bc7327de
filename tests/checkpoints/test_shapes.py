import pytest
import torch

from mvkit.checkpoints.shapes import HEADS, options
from mvkit.errors import CheckpointError
from mvkit.models import SIZES, VideoViT
from mvkit.tokens import TokenGrid


@pytest.mark.parametrize("size", ["small", "base", "large", "huge"])
def test_heads_of_published_widths_are_the_papers(size):
    assert HEADS[SIZES[size].width] == SIZES[size].heads


def test_an_encoder_is_described_by_the_shapes_of_its_weights():
    said = {"tubelet": 1, "patch": 8, "width": 24, "depth": 3, "heads": 2, "mlp_ratio": 2.5, "key_bias": True}
    said |= {"class_token": True, "pre_norm": True, "patch_bias": False, "out_width": 7, "layer_scale": 1.0}
    encoder = VideoViT(TokenGrid(1, 2, 3), **said)
    found = options(encoder.state_dict(), heads=2, where="these")
    assert found == said | {"qkv_bias": True, "final_norm": True}
    without = VideoViT(TokenGrid(1, 2, 3), patch=8, width=24, depth=1, heads=2, qkv_bias=False, final_norm=False)
    found = options(without.state_dict(), heads=2, where="these")
    assert not (found["qkv_bias"] or found["final_norm"] or found["pre_norm"] or found["layer_scale"])


@pytest.mark.parametrize(("width", "hidden"), [(1408, 6144), (384, 1536), (49, 13), (93, 31)])
def test_the_mlp_gets_back_its_whole_width(width, hidden):
    state = {
        "patch_embed.proj.weight": torch.empty(width, 3, 2, 14, 14, device="meta"),
        "blocks.0.mlp.fc1.weight": torch.empty(hidden, width, device="meta"),
    }
    assert int(width * options(state, heads=1, where="these")["mlp_ratio"]) == hidden


def test_patches_that_are_not_square_or_not_of_colours_are_refused():
    for shape in ((8, 3, 2, 8, 4), (8, 4, 2, 8, 8)):
        state = {"patch_embed.proj.weight": torch.zeros(shape), "blocks.0.mlp.fc1.weight": torch.zeros(32, 8)}
        with pytest.raises(CheckpointError, match="wanted square ones of 3"):
            options(state, heads=1, where="these")
