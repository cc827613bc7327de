import pytest
import torch

from mvkit import methods
from mvkit.models import SIZES
from mvkit.tokens import patchify


def test_predictions_and_targets_are_those_of_hidden_tokens_in_ascending_order():
    method = methods.create("videomae", size="tiny", frames=4, image=24, patch=8, normalise_targets=False)
    x = torch.rand(2, 3, 4, 24, 24)
    out = method(x, generator=torch.Generator().manual_seed(0), artifacts=True)
    mask = out.masks["encoder"]
    assert out.artifacts["predictions"].shape == out.artifacts["targets"].shape == (2, 16, 384)
    assert torch.equal(out.artifacts["targets"], mask.hidden_part(patchify(x, tubelet=2, patch=8)))
    assert "predictions" not in method(x, generator=torch.Generator()).artifacts


@pytest.mark.parametrize(
    ("size", "whole", "encoder"),
    [("small", 24.03, 21.88), ("base", 94.21, 86.23), ("large", 343.00, 303.86), ("huge", 692.49, 631.61)],
)
def test_sizes_have_the_published_numbers_of_parameters(size, whole, encoder):
    with torch.device("meta"):
        method = methods.create("videomae", size=size)
    assert sum(p.numel() for p in method.parameters()) / 1e6 == pytest.approx(whole, abs=0.006)
    # The published encoder count is without the final norm, which fine-tuning drops.
    body = sum(p.numel() for name, p in method.encoder.named_parameters() if not name.startswith("norm."))
    assert body / 1e6 == pytest.approx(encoder, abs=0.006)


def test_the_default_masker_hides_176_of_196_places():
    with torch.device("meta"):
        method = methods.create("videomae")
    assert method.masker.counts(method.encoder.grid) == {"encoder": 160}


def test_every_size_is_built():
    assert set(SIZES) == {"tiny", "small", "base", "large", "huge"}


def test_the_loss_equals_transformers_on_shared_weights():
    transformers = pytest.importorskip("transformers")
    config = transformers.VideoMAEConfig(
        image_size=24, patch_size=8, num_frames=4, tubelet_size=2, hidden_size=32, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=128, decoder_hidden_size=24, decoder_num_hidden_layers=2,
        decoder_num_attention_heads=3, decoder_intermediate_size=96, norm_pix_loss=True, layer_norm_eps=1e-6,
        initializer_range=0.2, use_mean_pooling=False,
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = transformers.VideoMAEForPreTraining(config).eval()
    # Theirs leaves the decoder's last norm at torch's eps of 1e-5; the official code has 1e-6 everywhere.
    for module in theirs.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-6
    ours = _ours(theirs)
    x = torch.rand(2, 3, 4, 24, 24)
    mean, std = ours.encoder.mean.view(3, 1, 1, 1), ours.encoder.std.view(3, 1, 1, 1)
    out = ours(x, generator=torch.Generator().manual_seed(0), artifacts=True)
    hidden = out.masks["encoder"].hidden
    said = theirs(((x - mean) / std).transpose(1, 2), bool_masked_pos=hidden)
    assert torch.allclose(out.artifacts["predictions"], said.logits, atol=1e-5)
    assert out.loss.item() == pytest.approx(said.loss.item(), rel=1e-4)


def _ours(theirs) -> methods.Method:
    """Our method with the weights of a transformers model."""
    from mvkit.maskers.tube import TubeMasker
    from mvkit.methods.videomae import VideoMAE
    from mvkit.models import TokenDecoder, VideoViT
    from mvkit.tokens import TokenGrid

    grid = TokenGrid(2, 3, 3)
    encoder = VideoViT(grid, tubelet=2, patch=8, width=32, depth=2, heads=2)
    decoder = TokenDecoder(grid, in_width=32, width=24, depth=2, heads=3)
    ours = VideoMAE(encoder=encoder, decoder=decoder, masker=TubeMasker(0.7)).eval()
    source = theirs.state_dict()
    state = {}
    for name in ours.state_dict():
        state[name] = _theirs(name, source)
    ours.load_state_dict(state)
    return ours


def _theirs(name: str, source: dict) -> torch.Tensor:
    whole = {
        "encoder.patch_embed.proj.": "videomae.embeddings.patch_embeddings.projection.",
        "encoder.norm.": "videomae.layernorm.",
        "decoder.norm.": "decoder.norm.",
        "decoder.project.": "encoder_to_decoder.",
        "head.": "decoder.head.",
    }
    if name == "decoder.mask_token":
        return source["mask_token"]
    for ours, theirs in whole.items():
        if name.startswith(ours):
            return source[theirs + name.removeprefix(ours)]
    side, _, number, rest = name.split(".", 3)
    stem = f"{'videomae.encoder.layer' if side == 'encoder' else 'decoder.decoder_layers'}.{number}."
    if rest == "attn.qkv.weight":
        found = [f"{stem}attention.attention.{part}.weight" for part in ("query", "key", "value")]
        if found[0] not in source:
            pytest.skip(f"this transformers names its attention otherwise: {[k for k in source if k.startswith(stem)]}")
        return torch.cat([source[key] for key in found])
    if rest in ("attn.q_bias", "attn.v_bias"):
        part = "query" if rest == "attn.q_bias" else "value"
        old = f"{stem}attention.attention.{rest.removeprefix('attn.')}"  # transformers 4
        return source[old] if old in source else source[f"{stem}attention.attention.{part}.bias"]
    parts = {
        "attn.proj.": "attention.output.dense.",
        "norm1.": "layernorm_before.",
        "norm2.": "layernorm_after.",
        "mlp.fc1.": "intermediate.dense.",
        "mlp.fc2.": "output.dense.",
    }
    for ours, theirs in parts.items():
        if rest.startswith(ours):
            return source[stem + theirs + rest.removeprefix(ours)]
    raise AssertionError(name)
