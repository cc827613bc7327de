import torch
import torch.nn.functional as F

from mvkit.checkpoints import clip, load_state
from mvkit.models import VideoViT
from mvkit.tokens import TokenGrid


def encoder() -> VideoViT:
    torch.manual_seed(0)
    made = VideoViT(TokenGrid(1, 2, 3), patch=4, width=16, depth=2, heads=2, out_width=5, **clip.ARCHITECTURE)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def test_writing_the_official_layout_and_reading_it_back_changes_nothing():
    state = encoder().state_dict()
    official = clip.write(state)
    assert official["conv1.weight"].shape == (16, 3, 4, 4)
    assert official["positional_embedding"].shape == (7, 16)
    assert official["proj"].shape == (16, 5)
    assert {"class_embedding", "ln_pre.bias", "transformer.resblocks.1.mlp.c_proj.weight"} <= set(official)
    back = clip.read(official)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_a_patch_kernel_of_one_or_more_frames_stays_as_it_is():
    for frames in (1, 3):
        kernel = torch.randn(16, 3, frames, 4, 4)
        assert torch.equal(clip.read({"conv1.weight": kernel})["patch_embed.proj.weight"], kernel)


def test_names_that_are_not_of_the_layout_are_kept_and_refused_on_loading():
    model = encoder()
    official = {**clip.write(model.state_dict()), "logit_scale": torch.ones(())}
    assert load_state(model, clip.read(official), strict=False).unexpected == ("logit_scale",)


def test_a_model_written_from_the_layout_itself_computes_the_same():
    """CLIP's visual transformer in plain torch, straight from the official names."""
    model, pictures = encoder(), torch.rand(2, 3, 8, 12)
    state = clip.write(model.state_dict())
    found = model(pictures[:, :, None])
    x = (pictures - model.mean.view(3, 1, 1)) / model.std.view(3, 1, 1)
    x = F.conv2d(x, state["conv1.weight"], stride=4).flatten(2).transpose(1, 2)
    x = torch.cat([state["class_embedding"].expand(2, 1, 16), x], dim=1) + state["positional_embedding"]
    x = F.layer_norm(x, (16,), state["ln_pre.weight"], state["ln_pre.bias"])
    for number in range(2):
        part = {n.split(".", 3)[3]: v for n, v in state.items() if n.startswith(f"transformer.resblocks.{number}.")}
        y = F.layer_norm(x, (16,), part["ln_1.weight"], part["ln_1.bias"])
        attention = torch.nn.MultiheadAttention(16, 2, batch_first=True).eval()
        attention.load_state_dict({n.removeprefix("attn."): v for n, v in part.items() if n.startswith("attn.")})
        x = x + attention(y, y, y)[0]
        y = F.layer_norm(x, (16,), part["ln_2.weight"], part["ln_2.bias"])
        y = F.linear(y, part["mlp.c_fc.weight"], part["mlp.c_fc.bias"])
        x = x + F.linear(y * torch.sigmoid(1.702 * y), part["mlp.c_proj.weight"], part["mlp.c_proj.bias"])
    x = F.layer_norm(x, (16,), state["ln_post.weight"], state["ln_post.bias"])
    assert torch.allclose(found.tokens, x[:, 1:], atol=1e-4)
    assert torch.allclose(model.head(found.class_token), x[:, 0] @ state["proj"], atol=1e-4)
