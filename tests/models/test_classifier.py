import pytest
import torch
from timm.layers import DropPath
from torch import nn

from mvkit.errors import OptionError, ShapeError
from mvkit.models import VideoClassifier, VideoViT
from mvkit.models.classifier import body
from mvkit.tokens import TokenGrid

GRID = TokenGrid(t=2, h=3, w=5)


def encoder(**options) -> VideoViT:
    torch.manual_seed(0)
    made = VideoViT(GRID, tubelet=2, patch=4, width=24, depth=3, heads=3, **options).eval()
    nn.init.normal_(made.norm.weight)  # pyright: ignore
    return made


def clips(batch: int = 2, frames: int = 4, height: int = 12) -> torch.Tensor:
    return torch.rand(batch, 3, frames, height, 20, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("options", [{}, {"class_token": True}, {"position": "learned"}, {"out_width": 7}])
def test_the_body_says_what_the_last_block_of_the_encoder_says(options):
    pretrained, x = encoder(**options), clips()
    before = {name: value.clone() for name, value in pretrained.state_dict().items()}
    made = body(pretrained, drop_path=0.3).eval()
    assert torch.equal(made(x).tokens, pretrained(x, layers=(3,)).layers[3])
    nn.init.zeros_(made.blocks[0].attn.proj.weight)  # pyright: ignore
    assert all(torch.equal(before[name], value) for name, value in pretrained.state_dict().items())


def test_features_are_the_norm_of_the_mean_without_the_pre_trained_norm():
    pretrained, x = encoder(), clips()
    model = VideoClassifier(body(pretrained), 5).eval()
    mean = pretrained(x, layers=(3,)).layers[3].mean(1)
    fresh = (mean - mean.mean(1, keepdim=True)) / (mean.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    assert torch.allclose(model.features(x), fresh, atol=1e-5)
    assert model(x).shape == (2, 5)


def test_drop_path_grows_linearly_to_the_last_block_and_acts_in_training_only():
    made = body(encoder(), drop_path=0.3)
    rates = [part.drop_prob if isinstance(part, DropPath) else 0.0 for part in (b.drop_path for b in made.blocks)]
    assert rates == pytest.approx([0.0, 0.15, 0.3])
    x = clips(16)
    assert torch.equal(made.eval()(x).tokens, made(x).tokens)
    assert not torch.equal(made.train()(x).tokens, made(x).tokens)


def test_the_head_starts_a_thousand_times_smaller_than_a_linear_layer_does():
    head = VideoClassifier(body(encoder()), 2000).head
    assert float(head.weight.detach().std()) == pytest.approx(0.02 * 0.001, rel=0.03)
    assert not head.bias.any()


def test_longer_clips_get_the_position_table_of_their_own_grid_unless_it_is_learned():
    longer = TokenGrid(t=3, h=2, w=5)
    made = body(encoder(), grid=longer)
    assert torch.equal(made.pos_embed, VideoViT(longer, patch=4, width=24, depth=1, heads=3).pos_embed)
    assert made(clips(frames=6, height=8)).tokens.shape == (2, 30, 24)
    with pytest.raises(OptionError, match="learned position table"):
        body(encoder(position="learned"), grid=longer)


def test_an_encoder_with_its_final_norm_is_refused():
    with pytest.raises(ShapeError, match="mean before its norm"):
        VideoClassifier(encoder(), 5)
