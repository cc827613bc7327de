"""A timm ViT as an encoder, against timm's own forward; all small and with random weights."""

import os
import subprocess
import sys

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from mvkit.errors import CheckpointError, OptionError, ShapeError
from mvkit.maskers.base import TokenMask
from mvkit.models.teachers import Teacher
from mvkit.models.timm_encoder import TimmEncoder, timm_encoder
from mvkit.tokens import TokenGrid

SMALL = {"pretrained": False, "img_size": (32, 48), "patch_size": 16, "embed_dim": 32, "depth": 3, "num_heads": 2}
MAE, CLIP, DINO = (
    "vit_base_patch16_224.mae",
    "vit_base_patch16_clip_quickgelu_224.openai",
    "vit_small_patch14_dinov2.lvd142m",
)
each = pytest.mark.parametrize("name", [MAE, CLIP, DINO])


def build(name: str, **more) -> TimmEncoder:
    torch.manual_seed(0)
    encoder = timm_encoder(name, **{**SMALL, **({"num_classes": 20} if name == CLIP else {}), **more})
    for p in encoder.parameters():  # layer scale starts at 1e-5, which would hide a block left out
        torch.nn.init.normal_(p, std=0.2)
    return encoder


def images(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, 1, 32, 48, generator=torch.Generator().manual_seed(1))


def normalised(encoder: TimmEncoder, clips: torch.Tensor) -> torch.Tensor:
    said = encoder.network.pretrained_cfg
    mean, std = (torch.tensor(said[key]).view(3, 1, 1) for key in ("mean", "std"))
    return (clips[:, :, 0] - mean) / std


@each
@torch.no_grad()
def test_layers_and_tokens_are_timms_own(name):
    encoder, clips = build(name), images()
    pixels = normalised(encoder, clips)
    last, between = encoder.network.forward_intermediates(pixels, output_fmt="NLC", return_prefix_tokens=True)
    found = encoder(clips, layers=(1, 2, 3))
    for number, (patches, prefix) in enumerate(between, start=1):
        assert torch.allclose(found.layers[number], patches, atol=1e-5)
        assert prefix.shape[1] == 1
    assert torch.allclose(found.tokens, last[:, 1:], atol=1e-5)
    assert torch.allclose(found.class_token, encoder.network.forward_features(pixels)[:, 0], atol=1e-5)
    assert (encoder.grid, encoder.width, encoder.depth) == (TokenGrid(1, 2, 3), 32, 3)


@each
@torch.no_grad()
def test_attention_is_what_the_block_computes(name):
    encoder, clips = build(name), images()
    found = encoder(clips, layers=(1, 2), heads=(2,))
    heads = found.heads[2]
    assert heads.logits.shape == (2, 2, 7, 7) and heads.values.shape == (2, 2, 7, 16)
    block = encoder.network.blocks[1]
    mixed = (heads.weights @ heads.values).transpose(1, 2).flatten(2)
    seen = {}
    block.attn.proj.register_forward_pre_hook(lambda _, given: seen.update(mixed=given[0]))
    encoder(clips)
    assert torch.allclose(mixed, seen["mixed"], atol=1e-5)


@torch.no_grad()
def test_norms_of_query_and_key_are_in_the_logits():
    torch.manual_seed(0)
    network = VisionTransformer(
        img_size=(32, 48), embed_dim=32, depth=2, num_heads=2, qk_norm=True, num_classes=0, class_token=True
    )
    network.pretrained_cfg = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    encoder = TimmEncoder(network).eval()
    seen = {}
    attn = network.blocks[0].attn
    attn.q_norm.register_forward_hook(lambda _, __, out: seen.update(q=out))
    attn.k_norm.register_forward_hook(lambda _, __, out: seen.update(k=out))
    logits = encoder(images(), heads=(1,)).heads[1].logits
    assert torch.allclose(logits, seen["q"] @ seen["k"].transpose(-2, -1) * 16**-0.5, atol=1e-6)


@torch.no_grad()
def test_a_clip_finishes_in_the_space_it_shares_with_text():
    encoder, clips = build(CLIP), images()
    found = encoder(clips, layers=(3,))
    assert encoder.out_width == 20
    whole = encoder.network(normalised(encoder, clips))  # timm takes the class token through norm and head
    assert torch.allclose(encoder.head(found.class_token), whole, atol=1e-5)
    assert encoder.finish(found.layers[3]).shape == (2, 6, 20)


@torch.no_grad()
def test_other_networks_finish_with_their_norm_and_no_classifier():
    for name in (MAE, DINO, "vit_base_patch16_clip_224.openai_ft_in1k"):
        encoder = build(name)
        layer = encoder(images(), layers=(3,)).layers[3]
        assert encoder.out_width == 32
        assert torch.equal(encoder.finish(layer), encoder.network.norm(layer))


@each
@torch.no_grad()
def test_hidden_patches_are_not_seen(name):
    encoder, clips = build(name), images()
    hidden = torch.tensor([[1, 0, 1, 0, 0, 1], [0, 1, 1, 1, 0, 0]]).bool()
    mask = TokenMask(hidden, TokenGrid(1, 2, 3))
    found = encoder(clips, mask)
    assert found.tokens.shape == (2, 3, 32)
    changed = clips.clone()
    changed[0, :, :, :16, :16] = 0.0  # the first patch, hidden in the first image
    assert torch.equal(encoder(changed, mask).tokens, found.tokens)
    assert not torch.allclose(encoder(changed).tokens, encoder(clips).tokens)


def test_wrong_sizes_and_blocks_are_refused():
    encoder = build(MAE)
    for clips in (torch.rand(1, 3, 2, 32, 48), torch.rand(1, 3, 1, 32, 32)):
        with pytest.raises(ShapeError, match="not single frames of 1x2x3 grid with patch 16"):
            encoder(clips)
    with pytest.raises(OptionError, match="block 4 does not exist"):
        encoder(images(), layers=(4,))


def test_registers_are_left_out_of_tokens_and_refused_in_attention():
    encoder = build("vit_small_patch14_reg4_dinov2.lvd142m")
    with torch.no_grad():
        found = encoder(images(), layers=(1,))
    assert found.tokens.shape == found.layers[1].shape == (2, 6, 32)
    with pytest.raises(OptionError, match="4 registers"):
        encoder(images(), heads=(1,))


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("resnet18", {}),
        ("swin_tiny_patch4_window7_224", {}),
        ("eva02_tiny_patch14_224", {}),
        ("vit_tiny_patch16_224", {"dynamic_img_size": True, "depth": 1}),
    ],
)
def test_networks_that_are_no_plain_vit_are_refused(name, more):
    with pytest.raises(OptionError, match="plain vision transformer") as err:
        timm_encoder(name, pretrained=False, **more)
    assert "\n" not in str(err.value)


def test_unknown_names_tags_and_options_are_named():
    with pytest.raises(OptionError, match="unknown timm model 'vit_bas_patch16_224'; did you mean 'vit_base_patch16"):
        timm_encoder("vit_bas_patch16_224", pretrained=False)
    with pytest.raises(OptionError, match="nonesuch"):
        timm_encoder("vit_base_patch16_224.nonesuch", pretrained=False)
    with pytest.raises(OptionError, match="unexpected keyword argument 'widht'"):
        timm_encoder(MAE, pretrained=False, widht=3)


def test_without_network_the_line_names_the_repair(monkeypatch):
    def fail(*_, **__):
        raise FileNotFoundError("we cannot find the requested files in the local cache")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(CheckpointError, match=r"not in the cache.*file:<path>"):
        timm_encoder(MAE)


def test_the_hub_switched_off_gives_that_line_too(tmp_path):
    """In a process of its own, since the hub reads its switch when it is imported."""
    code = (
        "from mvkit.models.timm_encoder import timm_encoder\n"
        "from mvkit.errors import CheckpointError\n"
        "try: timm_encoder('vit_base_patch16_224.mae', depth=1, embed_dim=32, num_heads=2)\n"
        "except CheckpointError as err: print(err)\n"
    )
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert "file:<path>" in done.stdout, done.stderr


def test_a_teacher_shows_it_frames_and_reads_its_class_attention():
    encoder = build(CLIP)
    teacher = Teacher(encoder, source="timm:clip")
    clips = torch.rand(2, 3, 4, 32, 48)
    found = teacher(clips, steps=2, heads=(3,))
    attention = teacher.class_attention(found, 3)
    assert found.tokens.shape == (2, 12, 32) and attention.shape == (2, 2, 6)
    with torch.no_grad():
        alone = encoder(clips[:1, :, 2:3], heads=(3,))
    assert torch.allclose(attention[0, 1], alone.heads[3].weights[0, :, 0, 1:].mean(0), atol=1e-6)
