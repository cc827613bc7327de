import pytest
import torch

from mvkit import TokenGrid
from mvkit.inspect.untrained import untrained
from mvkit.models.teachers import Teacher
from mvkit.models.timm_encoder import timm_encoder
from mvkit.models.vit import VideoViT


def video() -> VideoViT:
    return VideoViT(TokenGrid(2, 3, 5), tubelet=1, patch=4, width=24, depth=2, heads=3, class_token=True)


def image():
    options = {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 32, "init_values": 1e-4}
    return timm_encoder("vit_tiny_patch16_224", pretrained=False, **options)


@pytest.mark.parametrize("make", [video, image])
def test_every_weight_is_fresh_and_none_of_what_was_learned_is_left(make):
    encoder = make()
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.fill_(7.0)  # "learned"
    fresh = untrained(Teacher(encoder), seed=3)
    left = [name for name, weight in fresh.named_parameters() if (weight == 7).any()]
    assert not left and type(fresh) is type(encoder)
    assert all((weight == 7).all() for weight in encoder.parameters())


@pytest.mark.parametrize("make", [video, image])
def test_the_seed_alone_decides_and_the_global_generator_is_left(make):
    encoder = make()
    before = torch.get_rng_state()
    one, same, other = untrained(encoder, 1), untrained(encoder, 1), untrained(encoder, 2)
    assert torch.equal(before, torch.get_rng_state())
    states = [torch.cat([p.flatten() for p in each.parameters()]) for each in (one, same, other)]
    assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])
