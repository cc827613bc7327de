"""CLIP's visual part by our encoder, against open_clip's own forward on the same random weights."""

import pytest
import torch

from mvkit import checkpoints
from mvkit.checkpoints import clip
from mvkit.models import VideoViT
from mvkit.tokens import TokenGrid


def test_names_and_values_come_back():
    encoder = VideoViT(TokenGrid(1, 2, 3), patch=8, width=32, depth=2, heads=2, out_width=12, **clip.ARCHITECTURE)
    state = encoder.state_dict()
    official = clip.write(state)
    assert official["conv1.weight"].shape == (32, 3, 8, 8)
    assert official["positional_embedding"].shape == (7, 32) and official["class_embedding"].shape == (32,)
    assert official["proj"].shape == (32, 12)
    assert official["transformer.resblocks.1.attn.in_proj_bias"].shape == (96,)
    back = clip.read(official)
    assert back.keys() == state.keys() and all(torch.equal(back[name], state[name]) for name in state)


def test_a_kernel_of_several_slices_keeps_them():
    kernel = torch.randn(4, 3, 2, 8, 8)
    assert torch.equal(clip.write({"patch_embed.proj.weight": kernel})["conv1.weight"], kernel)


@torch.no_grad()
def test_tokens_and_class_token_are_open_clips(tmp_path):
    open_clip = pytest.importorskip("open_clip", reason="open_clip_torch (dev extra) is not installed")
    torch.manual_seed(0)
    visual = {"layers": 3, "width": 128, "head_width": 32, "patch_size": 16, "image_size": (32, 48)}
    text = {"context_length": 8, "vocab_size": 50, "width": 32, "heads": 2, "layers": 1}
    model = open_clip.CLIP(embed_dim=24, vision_cfg=visual, text_cfg=text, quick_gelu=True).eval()
    for p in model.visual.parameters():
        torch.nn.init.normal_(p, std=0.2)
    torch.save(model.state_dict(), tmp_path / "clip.pth")

    encoder, report = checkpoints.load(tmp_path / "clip.pth", image=(32, 48), heads=4)
    assert not report.missing and not report.unexpected and "token_embedding.weight" in report.left_out
    clips = torch.rand(2, 3, 1, 32, 48)
    mean, std = (torch.tensor(clip.STATISTICS[key]).view(3, 1, 1) for key in ("mean", "std"))
    model.visual.output_tokens = True
    pooled, tokens = model.visual((clips[:, :, 0] - mean) / std)
    found = encoder(clips)
    assert torch.allclose(encoder.head(found.class_token), pooled, atol=1e-4)
    assert torch.allclose(found.tokens, tokens, atol=1e-4)

    checkpoints.export(encoder, tmp_path / "back.pth", kind="clip")
    own = {n.removeprefix("visual."): v for n, v in model.state_dict().items() if n.startswith("visual.")}
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    assert back.keys() == own.keys() and all(torch.equal(back[name], own[name]) for name in own)
