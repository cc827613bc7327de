import re

import pytest
import torch

from mvkit import methods
from mvkit.checkpoints import load_state, mae
from mvkit.errors import OptionError, ShapeError
from mvkit.maskers.random import RandomMasker
from mvkit.methods.mae import MAE, normalise_patches
from mvkit.models import TokenDecoder, VideoViT
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid, patchify

SMALL = {"size": "tiny", "frames": 6, "image": 24, "patch": 8}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(batch: int = 3, frames: int = 6) -> torch.Tensor:
    return torch.rand(batch, 3, frames, 24, 24, generator=seeded(5))


def pixels(method: methods.Method, images: list[torch.Tensor]) -> torch.Tensor:
    """(B, N, P) of images in [0, 1], with ImageNet's statistics, as the encoder sees them."""
    mean, std = method.encoder.mean.view(3, 1, 1, 1), method.encoder.std.view(3, 1, 1, 1)
    return patchify((torch.stack(images)[:, :, None] - mean) / std, tubelet=1, patch=8)


def test_one_drawn_frame_of_each_clip_is_shown_and_the_mask_says_which():
    method, x = methods.create("mae", **SMALL, normalise_targets=False), clips(8)
    out = method(x, generator=seeded(), artifacts=True)
    mask = out.masks["encoder"]
    frames = mask.aux["frame"]
    assert len(mask) == 8 and len(set(frames.tolist())) > 1
    shown = [clip[:, frame] for clip, frame in zip(x, frames, strict=True)]
    assert torch.allclose(out.artifacts["targets"], mask.hidden_part(pixels(method, shown)))


def test_frames_that_were_not_drawn_change_nothing():
    method, x = methods.create("mae", **SMALL), clips()
    out = method(x, generator=seeded())
    other = torch.rand_like(x)
    for row, frame in enumerate(out.masks["encoder"].aux["frame"]):
        other[row, :, frame] = x[row, :, frame]
    assert torch.equal(method(other, generator=seeded()).loss, out.loss)


def test_all_shows_the_first_frame_of_every_tubelet_clip_by_clip():
    method = methods.create("mae", **SMALL, frames_used="all", tubelet=3, normalise_targets=False)
    x = clips(2)
    out = method(x, generator=seeded(), artifacts=True)
    mask = out.masks["encoder"]
    assert mask.aux["frame"].tolist() == [0, 3, 0, 3]
    shown = [x[0, :, 0], x[0, :, 3], x[1, :, 0], x[1, :, 3]]
    assert torch.allclose(out.artifacts["targets"], mask.hidden_part(pixels(method, shown)))
    assert not torch.equal(mask.hidden[0], mask.hidden[1])


def test_single_images_are_clips_of_one_frame():
    method = methods.create("mae", **(SMALL | {"frames": 1}))
    assert torch.isfinite(method(clips(2, frames=1), generator=seeded()).loss)


def test_targets_are_normalised_over_pixels_and_channels_together():
    pixels = torch.rand(1, 2, 4 * 3, dtype=torch.float64, generator=seeded())
    got = normalise_patches(pixels)
    for token in range(2):
        values = pixels[0, token]
        wanted = (values - values.mean()) / (values.var(unbiased=True) + 1e-6).sqrt()
        assert torch.allclose(got[0, token], wanted, atol=1e-12)


def test_a_quarter_of_the_places_is_seen():
    out = methods.create("mae", **(SMALL | {"image": 32}))(torch.rand(2, 3, 6, 32, 32), generator=seeded())
    assert out.masks["encoder"].visible_ids.shape == (2, 4)


@pytest.mark.parametrize(
    ("size", "patch", "published"), [("base", 16, 111_907_840), ("large", 16, 329_541_888), ("huge", 14, 657_074_508)]
)
def test_sizes_have_the_published_numbers_of_parameters(size, patch, published):
    with torch.device("meta"):
        state = methods.create("mae", size=size, patch=patch).state_dict()
    # Theirs counts position tables and key biases, of which ours has neither.
    side = 224 // patch
    official = mae.write({n: torch.empty_like(v, device="cpu") for n, v in state.items()}, TokenGrid(1, side, side))
    assert sum(value.numel() for value in official.values()) == published


def test_what_is_saved_of_it_is_an_image_teacher():
    assert Teacher(methods.create("mae", **SMALL).encoder).per_frame


def test_an_encoder_of_clips_is_refused():
    grid = TokenGrid(2, 3, 3)
    encoder = VideoViT(grid, patch=8, width=32, depth=1, heads=2)
    decoder = TokenDecoder(grid, in_width=32, width=32, depth=1, heads=2)
    with pytest.raises(ShapeError, match="single frames"):
        MAE(encoder=encoder, decoder=decoder, masker=RandomMasker(0.75))


def test_unknown_frames_and_clips_that_do_not_divide_are_refused():
    with pytest.raises(OptionError, match="one, all"):
        methods.create("mae", **SMALL, frames_used="some")
    with pytest.raises(ShapeError, match="tubelet=1"):
        methods.create("mae", **SMALL, frames_used="all", tubelet=4)


def test_the_loss_equals_transformers_on_shared_weights():
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTMAEConfig(
        image_size=32, patch_size=8, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        decoder_hidden_size=24, decoder_num_hidden_layers=2, decoder_num_attention_heads=3,
        decoder_intermediate_size=96, norm_pix_loss=True, layer_norm_eps=1e-6, initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = transformers.ViTMAEForPreTraining(config).eval()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if name.endswith(("bias", "token")):
                parameter.normal_(std=0.2)
    grid = TokenGrid(1, 4, 4)
    encoder = VideoViT(grid, tubelet=1, patch=8, width=32, depth=2, heads=2, class_token=True, position="blocked_2d")
    decoder = TokenDecoder(grid, in_width=32, width=24, depth=2, heads=3, project_bias=True, position="blocked_2d")
    ours = MAE(encoder=encoder, decoder=decoder, masker=RandomMasker(0.75)).eval()
    official = _official(theirs.state_dict())
    load_state(ours, mae.read(official, key_bias=False))
    # Version 5 leaves both tables at zero when nothing is downloaded; the recordings of MVD hold the official one.
    theirs.vit.embeddings.position_embeddings.data.copy_(mae.tables(grid, 32))
    theirs.decoder.decoder_pos_embed.data.copy_(mae.tables(grid, 24))

    x = torch.rand(2, 3, 1, 32, 32)
    out = ours(x, generator=seeded(), artifacts=True)
    hidden = out.masks["encoder"].hidden
    normal = (x - encoder.mean.view(3, 1, 1, 1)) / encoder.std.view(3, 1, 1, 1)
    said = theirs(normal[:, :, 0], noise=hidden.float())
    assert torch.equal(said.mask.bool(), hidden)
    assert torch.allclose(out.artifacts["predictions"], out.masks["encoder"].hidden_part(said.logits), atol=1e-5)
    assert out.loss.item() == pytest.approx(said.loss.item(), rel=1e-4)


def _official(state: dict) -> dict:
    """Names of transformers -> those of the released files."""
    if not any("q_proj" in name for name in state):
        pytest.skip("this transformers names its attention otherwise")
    found = {}
    for name, value in state.items():
        if "k_proj" in name or "v_proj" in name:
            continue
        if "q_proj" in name:
            value = torch.cat([state[name.replace("q_proj", f"{part}_proj")] for part in "qkv"])
        for theirs, official in (
            (r"^vit\.layers\.", "blocks."),
            (r"^decoder\.decoder_layers\.", "decoder_blocks."),
            (r"^vit\.embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
            (r"^vit\.embeddings\.position_embeddings", "pos_embed"),
            (r"^vit\.embeddings\.|^decoder\.", ""),
            (r"^vit\.layernorm\.", "norm."),
            (r"layernorm_before", "norm1"),
            (r"layernorm_after", "norm2"),
            (r"attention\.o_proj", "attn.proj"),
            (r"attention\.q_proj", "attn.qkv"),
        ):
            name = re.sub(theirs, official, name)
        found[name] = value
    return found
